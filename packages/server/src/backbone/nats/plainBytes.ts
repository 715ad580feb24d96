/** The same bytes as what they are said to be: `slice` of a Buffer does not copy. */
export function plainBytes({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}
