interface Entry {
  readonly value: unknown;
  readonly ms: number;
  readonly counter: number;
  readonly replica: string;
}

/** The least that can be called a last-writer-wins map: a JavaScript Map, a clock, and the comparison. */
export class BareMap {
  readonly #entries = new Map<string, Entry>();
  readonly #replica: string;
  #ms = 0;
  #counter = 0;

  constructor(replica: string) {
    this.#replica = replica;
  }

  set(key: string, value: unknown): void {
    const now = Date.now();
    if (now > this.#ms) {
      this.#ms = now;
      this.#counter = 0;
    } else {
      this.#counter++;
    }
    this.merge(key, { value, ms: this.#ms, counter: this.#counter, replica: this.#replica });
  }

  merge(key: string, entry: Entry): void {
    const present = this.#entries.get(key);
    if (present === undefined || isNewer(entry, present)) this.#entries.set(key, entry);
  }

  get(key: string): unknown {
    return this.#entries.get(key)?.value;
  }
}

function isNewer(a: Entry, b: Entry): boolean {
  if (a.ms !== b.ms) return a.ms > b.ms;
  return a.counter === b.counter ? a.replica > b.replica : a.counter > b.counter;
}
