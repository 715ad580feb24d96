import { type Runtime, TopGunError } from '@topgunbuild/core';
import { Pipe } from './Pipe.js';

/**
 * up:     messages go to and fro
 * cut:    the way is broken: what was on it is lost, and the shared world sees the node gone until it is mended
 * frozen: the node stands still, as a stopped process does: what comes to it waits, and it sends nothing
 * dead:   the node is gone for ever, and nothing of it settles any more
 */
export type LinkState = 'up' | 'cut' | 'frozen' | 'dead';

/** The way between one node and what the nodes of a MemoryCluster share: where its delays and faults are. */
export class MemoryLink {
  readonly #toWorld: Pipe;
  readonly #toNode: Pipe;
  #state: LinkState = 'up';
  /** Sent while frozen: leaves once thawed. */
  #held: (() => void)[] = [];
  readonly #calls = new Set<(error: TopGunError) => void>();
  readonly #listeners = new Set<() => void>();

  constructor(runtime: Runtime, delay: (() => number) | null) {
    this.#toWorld = new Pipe(runtime, delay);
    this.#toNode = new Pipe(runtime, delay);
  }

  get state(): LinkState {
    return this.#state;
  }

  /** The world reaches the node, though it may not answer. */
  get isReachable(): boolean {
    return this.#state === 'up' || this.#state === 'frozen';
  }

  /**
   * Runs `work` in the world and resolves with what it returns once that is back.
   * @throws TopGunError UNAVAILABLE when the way breaks: the work may be done all the same
   */
  call<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'cut') {
        reject(unreachable());
        return;
      }
      this.#calls.add(reject);
      this.send(() => {
        const settle = settled(work);
        this.deliver(() => {
          this.#calls.delete(reject);
          settle(resolve, reject);
        });
      });
    });
  }

  /** From the node to the world; lost when the way is broken. */
  send(work: () => void): void {
    if (this.#state === 'up') this.#toWorld.put(work);
    else if (this.#state === 'frozen') this.#held.push(work);
  }

  /** From the world to the node; lost when the way is broken. */
  deliver(work: () => void): void {
    if (this.isReachable) this.#toNode.put(work);
  }

  /** Told when the way broke or was mended. Returns the unsubscribe. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  cut(): void {
    if (!this.isReachable) return;
    this.#drop('cut');
    for (const fail of this.#takeCalls()) fail(unreachable());
    this.#tell();
  }

  mend(): void {
    if (this.#state !== 'cut') return;
    this.#state = 'up';
    this.#tell();
  }

  freeze(): void {
    if (this.#state !== 'up') return;
    this.#state = 'frozen';
    this.#toNode.pause();
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'up';
    const held = this.#held;
    this.#held = [];
    for (const work of held) this.#toWorld.put(work);
    this.#toNode.resume();
  }

  kill(): void {
    this.#drop('dead');
    this.#takeCalls();
    this.#listeners.clear();
  }

  #drop(state: 'cut' | 'dead'): void {
    this.#state = state;
    this.#held = [];
    this.#toWorld.empty();
    this.#toNode.empty();
    this.#toNode.resume();
  }

  #takeCalls(): ((error: TopGunError) => void)[] {
    const calls = [...this.#calls];
    this.#calls.clear();
    return calls;
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

function settled<T>(work: () => T): (resolve: (value: T) => void, reject: (error: unknown) => void) => void {
  try {
    const value = work();
    return (resolve) => resolve(value);
  } catch (error) {
    return (_resolve, reject) => reject(error);
  }
}

function unreachable(): TopGunError {
  return new TopGunError('UNAVAILABLE', 'The backbone cannot be reached. Try again soon.');
}
