import { checkedKey } from '../names.js';
import type { Registry, RegistryEntry, RegistryWatcher, Watch } from '../Registry.js';
import type { MemoryLink } from './MemoryLink.js';
import type { RegisteredValue, SharedRegistry } from './SharedRegistry.js';

/** The shared registry as one node sees it. */
export class LinkedRegistry implements Registry {
  readonly #registry: SharedRegistry;
  readonly #link: MemoryLink;

  constructor(registry: SharedRegistry, link: MemoryLink) {
    this.#registry = registry;
    this.#link = link;
  }

  async get(key: string): Promise<RegistryEntry | null> {
    checkedKey(key);
    return this.#link.call(() => entryOf(this.#registry.get(key)));
  }

  async compareAndSet(key: string, value: Uint8Array, revision: number): Promise<number | null> {
    checkedKey(key);
    const copy = value.slice();
    return this.#link.call(() => this.#registry.set(key, copy, revision));
  }

  async delete(key: string, revision: number): Promise<boolean> {
    checkedKey(key);
    return this.#link.call(() => revision !== 0 && this.#registry.set(key, null, revision) !== null);
  }

  async watch(prefix: string, watcher: RegistryWatcher): Promise<Watch> {
    const link = this.#link;
    const registry = this.#registry;
    /** What is on the way is lost when the link is cut: then the watch goes on behind what arrived. */
    let sent = 0;
    let arrived = 0;
    let isClosed = false;
    /** A deletion is news of those alone. */
    const told = new Set<string>();
    const follow = (): void => {
      for (const [key, present] of registry.changes(prefix, sent)) {
        sent = present.revision;
        link.deliver(() => {
          if (isClosed) return;
          arrived = present.revision;
          const entry = entryOf(present);
          if (entry !== null) told.add(key);
          else if (!told.delete(key)) return;
          watcher(key, entry);
        });
      }
    };
    const resume = (): void => {
      registry.watchers.delete(follow);
      if (isClosed || !link.isReachable) return;
      sent = arrived;
      registry.watchers.add(follow);
      follow();
    };
    const unsubscribe = link.onChange(() => {
      // Else it would tell what comes next before what was lost.
      registry.watchers.delete(follow);
      link.send(resume);
    });
    const close = (): void => {
      isClosed = true;
      registry.watchers.delete(follow);
      unsubscribe();
    };
    try {
      // What is told of the present goes before the answer, on the same way.
      await link.call(resume);
    } catch (error) {
      close();
      throw error;
    }
    return { close };
  }
}

function entryOf(present: RegisteredValue | null): RegistryEntry | null {
  if (present === null || present.value === null) return null;
  return { value: present.value, revision: present.revision };
}
