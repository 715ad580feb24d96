/**
 * The two ways to get a part of some bytes. Not `slice` and `subarray`: on a Node Buffer, which is what sockets deliver,
 * `slice` is a view, and both give Buffers.
 */

/** A copy that shares nothing. */
export function copyBytes(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  const size = end - start;
  const copy = new Uint8Array(size);
  if (size > 64) copy.set(bytes.subarray(start, end));
  else for (let i = 0; i < size; i++) copy[i] = bytes[start + i] as number;
  return copy;
}

/** A view of the same memory. */
export function viewBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}
