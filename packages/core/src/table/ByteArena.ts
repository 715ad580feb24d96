const FIRST_SLAB = 1024;
const MAX_SLAB = 256 * 1024;

/**
 * From this size on a byte string gets a slab of its own: it would waste too much of the current one's end. The slab is
 * an eighth larger, because what is large has often grown, and goes on growing.
 */
const LARGE = MAX_SLAB / 8;

/**
 * Byte strings packed into slabs, because one array object per value would cost more memory than the values themselves.
 * A place is (slab, offset); who stores it also stores the length. Freed bytes are only counted: the owner decides
 * when it is worth to copy everything that lives into a new arena.
 */
export class ByteArena {
  readonly #slabs: Uint8Array[] = [];
  /** The slab that small byte strings go to, and its first free byte. */
  #current = -1;
  #free = 0;
  #used = 0;
  #dead = 0;

  /** Where the latest `add` put its bytes within their slab. */
  lastOffset = 0;

  /** Copies `source[start, end)` in and returns the slab's number; the offset is in `lastOffset`. */
  add(source: Uint8Array, start: number, end: number): number {
    const length = end - start;
    this.#used += length;
    if (length >= LARGE) {
      this.lastOffset = 0;
      const own = new Uint8Array(length + (length >>> 3));
      copyBytes(source, start, end, own, 0);
      return this.#slabs.push(own) - 1;
    }
    let slab = this.#slabs[this.#current];
    if (slab === undefined || this.#free + length > slab.length) {
      // As large as all that is here already, so that small tables stay small and few slabs are needed.
      slab = new Uint8Array(Math.max(length, Math.min(MAX_SLAB, Math.max(FIRST_SLAB, this.#used))));
      this.#current = this.#slabs.push(slab) - 1;
      this.#free = 0;
    }
    this.lastOffset = this.#free;
    copyBytes(source, start, end, slab, this.#free);
    this.#free += length;
    return this.#current;
  }

  /**
   * Overwrites the byte string of `oldLength` bytes at a place with `source[start, end)`, unless that has no room
   * there: then false.
   */
  replace(slab: number, offset: number, oldLength: number, source: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    const target = this.slab(slab);
    const room = oldLength >= LARGE ? target.length : oldLength;
    if (length > room) return false;
    copyBytes(source, start, end, target, offset);
    if (length < oldLength) this.#dead += oldLength - length;
    else this.#used += length - oldLength;
    return true;
  }

  slab(number: number): Uint8Array {
    return this.#slabs[number] as Uint8Array;
  }

  /** Counts `length` bytes as no longer needed. */
  forget(length: number): void {
    this.#dead += length;
  }

  /** Bytes added so far, dead ones included. */
  get used(): number {
    return this.#used;
  }

  get dead(): number {
    return this.#dead;
  }

  /** Bytes allocated. */
  get capacity(): number {
    let total = 0;
    for (const slab of this.#slabs) total += slab.length;
    return total;
  }
}

/** For the few bytes of a usual value a loop beats the call into native code. */
function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, offset: number): void {
  if (end - start > 48) {
    target.set(start === 0 && end === source.length ? source : source.subarray(start, end), offset);
    return;
  }
  for (let i = start, j = offset; i < end; i++, j++) target[j] = source[i] as number;
}
