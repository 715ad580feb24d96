const FIRST_SLAB = 1024;
const MAX_SLAB = 256 * 1024;

/**
 * Byte strings packed into slabs, because one array object per value would cost more memory than the values themselves.
 * A place is (slab, offset); who stores it also stores the length. Freed bytes are only counted: the owner compacts,
 * by copying everything that lives into a new arena, when `isWasteful`.
 */
export class ByteArena {
  readonly slabs: Uint8Array[] = [];
  #free = 0;
  #used = 0;
  #dead = 0;

  /** Copies `source[start, end)` in and returns the slab's index; the offset is in `lastOffset`. */
  lastOffset = 0;

  add(source: Uint8Array, start: number, end: number): number {
    const length = end - start;
    let index = this.slabs.length - 1;
    let slab = this.slabs[index];
    if (slab === undefined || this.#free + length > slab.length) {
      const wanted = Math.min(MAX_SLAB, Math.max(FIRST_SLAB, this.#used));
      slab = new Uint8Array(Math.max(wanted, length));
      index = this.slabs.push(slab) - 1;
      this.#free = 0;
    }
    const offset = this.#free;
    copyBytes(source, start, end, slab, offset);
    this.#free += length;
    this.#used += length;
    this.lastOffset = offset;
    return index;
  }

  slab(index: number): Uint8Array {
    return this.slabs[index] as Uint8Array;
  }

  /** Counts `length` bytes as no longer needed. */
  forget(length: number): void {
    this.#dead += length;
  }

  get isWasteful(): boolean {
    return this.#dead > MAX_SLAB / 4 && this.#dead * 2 > this.#used;
  }

  /** Bytes allocated. */
  get capacity(): number {
    let total = 0;
    for (const slab of this.slabs) total += slab.length;
    return total;
  }
}

/** For the few bytes of a usual value a loop beats the call into native code. */
export function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, offset: number): void {
  if (end - start > 48) {
    target.set(start === 0 && end === source.length ? source : source.subarray(start, end), offset);
    return;
  }
  for (let i = start, j = offset; i < end; i++, j++) target[j] = source[i] as number;
}
