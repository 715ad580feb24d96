const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

/**
 * Seeded random numbers. Generator: xoshiro128** by Blackman and Vigna ("Scrambled Linear Pseudorandom Number
 * Generators", 2018), its state filled by SplitMix32 as its authors advise. Good enough to steer a test, and the same on
 * every machine.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    let state = seed | 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
      mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
      return mixed ^ (mixed >>> 16);
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next();
  }

  /** 32 random bits. */
  bits(): number {
    const result = Math.imul(rotl(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotl(this.#d, 11);
    return result;
  }

  /** Uniform in [0, 1). */
  float(): number {
    return this.bits() / 4294967296;
  }

  /** A whole number in [0, below). */
  int(below: number): number {
    return Math.floor(this.float() * below);
  }

  /** Uniform in [from, to). */
  between(from: number, to: number): number {
    return from + this.float() * (to - from);
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('nothing to pick from');
    return items[this.int(items.length)] as T;
  }

  /** The time to the next of events that happen every `meanMs` on average. */
  wait(meanMs: number): number {
    return -Math.log(1 - this.float()) * meanMs;
  }

  id(length = 16): string {
    let id = '';
    for (let i = 0; i < length; i++) id += ALPHABET[this.int(36)];
    return id;
  }

  /** An independent generator: what is drawn from one does not shift the other. */
  fork(): Random {
    return new Random(this.bits());
  }
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}
