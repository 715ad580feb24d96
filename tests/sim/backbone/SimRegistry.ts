import { SharedRegistry } from '../../../packages/server/src/backbone/memory/SharedRegistry.js';
import type {
  Registry,
  RegistryEntry,
  RegistryWatcher,
  Watch,
} from '../../../packages/server/src/backbone/Registry.js';
import type { Random } from '../kernel/Random.js';
import type { Faults } from '../world/Faults.js';
import type { CallFate, Way } from './Way.js';

/** The registry that all nodes share. */
export class ObservedRegistry extends SharedRegistry {
  readonly #observe: (key: string, value: Uint8Array | null) => void;

  constructor(observe: (key: string, value: Uint8Array | null) => void) {
    super();
    this.#observe = observe;
  }

  override set(key: string, value: Uint8Array | null, revision: number): number | null {
    const result = super.set(key, value, revision);
    if (result !== null) this.#observe(key, value);
    return result;
  }
}

/** The shared registry as one process sees it. */
export class SimRegistry implements Registry {
  readonly shared: SharedRegistry;
  readonly #way: Way;
  readonly #random: Random;
  readonly #faults: Faults;

  constructor(shared: SharedRegistry, way: Way, random: Random, faults: Faults) {
    this.shared = shared;
    this.#way = way;
    this.#random = random;
    this.#faults = faults;
  }

  async get(key: string): Promise<RegistryEntry | null> {
    const isFailing = this.#random.chance(this.#faults.registryFails / 2);
    const fate = isFailing ? { doneAfterMs: null, failsAfterMs: 5 } : undefined;
    return this.#way.call(() => this.entry(key), fate);
  }

  async compareAndSet(key: string, value: Uint8Array, revision: number): Promise<number | null> {
    const copy = value.slice();
    return this.#way.call(() => this.shared.set(key, copy, revision), this.#fate());
  }

  async delete(key: string, revision: number): Promise<boolean> {
    return this.#way.call(() => revision !== 0 && this.shared.set(key, null, revision) !== null, this.#fate());
  }

  async watch(prefix: string, watcher: RegistryWatcher): Promise<Watch> {
    const { shared } = this;
    const way = this.#way;
    /** What is on the way is lost when it breaks: then the watch goes on behind what arrived. */
    let sent = 0;
    let arrived = 0;
    let isClosed = false;
    /** A deletion is news of those alone. */
    const told = new Set<string>();
    const follow = (): void => {
      for (const [key, { value, revision }] of shared.changes(prefix, sent)) {
        sent = revision;
        way.deliver(() => {
          if (isClosed) return;
          arrived = revision;
          if (value !== null) told.add(key);
          else if (!told.delete(key)) return;
          watcher(key, value === null ? null : { value: value.slice(), revision });
        });
      }
    };
    const resume = (): void => {
      shared.watchers.delete(follow);
      if (isClosed || !way.process.isAlive) return;
      sent = arrived;
      shared.watchers.add(follow);
      follow();
    };
    const unsubscribe = way.onChange(() => {
      shared.watchers.delete(follow);
      way.send(resume);
    });
    const close = (): void => {
      isClosed = true;
      shared.watchers.delete(follow);
      unsubscribe();
    };
    try {
      // What is told of the present goes before the answer, on the same way.
      await way.call(resume);
    } catch (error) {
      close();
      throw error;
    }
    return { close };
  }

  entry(key: string): RegistryEntry | null {
    const present = this.shared.get(key);
    if (present === null || present.value === null) return null;
    return { value: present.value.slice(), revision: present.revision };
  }

  #fate(): CallFate | undefined {
    const random = this.#random;
    if (!random.chance(this.#faults.registryFails)) return undefined;
    this.#faults.count('registry change failed');
    const doneAfterMs = random.chance(0.5) ? random.between(1, 2_000) : null;
    if (doneAfterMs !== null) this.#faults.count('registry change failed after success');
    return { doneAfterMs, failsAfterMs: random.between(1, 1_500) };
  }
}
