import { Kind } from '@topgunbuild/core';
import { isSameValue } from './rows.js';

export type Origin = 'local' | 'remote';

/** One change of what readers see. A value of undefined: there is none. */
export interface RowChange {
  readonly key: string;
  readonly kind: Kind;
  readonly value: unknown;
  readonly previous: unknown;
  readonly origin: Origin;
}

export type ChangeListener = (changes: readonly RowChange[]) => void;

/** What readers know of a key. Kind null: there is no record. */
export interface RecordState {
  readonly kind: Kind | null;
  readonly value: unknown;
}

/** Who wants to hear of the changes of a map. While held back, they hear of nothing, and then of the sum of it. */
export class MapListeners {
  readonly #listeners = new Set<ChangeListener>();
  readonly #onThrow: (error: unknown) => void;
  /** The first change of each key that was held back. */
  #held: Map<string, RowChange> | null = null;

  /** `onThrow`: a listener of the application threw. */
  constructor(onThrow: (error: unknown) => void) {
    this.#onThrow = onThrow;
  }

  get areThere(): boolean {
    return this.#listeners.size > 0;
  }

  add(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(changes: readonly RowChange[]): void {
    if (changes.length === 0) return;
    if (this.#held !== null) {
      for (const change of changes) if (!this.#held.has(change.key)) this.#held.set(change.key, change);
      return;
    }
    for (const listener of [...this.#listeners]) {
      try {
        listener(changes);
      } catch (error) {
        this.#onThrow(error);
      }
    }
  }

  /** Nobody hears of anything until `release`. */
  hold(): void {
    this.#held = new Map();
  }

  /** Tells what is different from what was there before, by `stateOf` a key. */
  release(stateOf: (key: string) => RecordState): void {
    const held = this.#held ?? [];
    this.#held = null;
    const changes: RowChange[] = [];
    for (const [key, { previous, origin }] of held) {
      const { kind, value } = stateOf(key);
      if (!isSameValue(value, previous)) changes.push({ key, kind: kind ?? Kind.LWW, value, previous, origin });
    }
    this.tell(changes);
  }
}
