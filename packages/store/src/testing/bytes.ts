/** A key that sorts like its number. */
export function numberedKey(number: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, number);
  return key;
}

export const ALL = { start: new Uint8Array(1), end: new Uint8Array(8).fill(255) };

/** `length` bytes that tell which number they belong to. */
export function numberedBytes(number: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(number % 251);
}
