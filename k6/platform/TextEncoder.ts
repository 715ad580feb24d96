/**
 * UTF-8 for hosts without `TextEncoder`: k6 has it only since 2026. Always used in the bundle, so that a script does the same
 * on every release of k6.
 */
export class TextEncoder {
  encode(text = ''): Uint8Array<ArrayBuffer> {
    // A UTF-16 unit takes at most three bytes.
    const bytes = new Uint8Array(text.length * 3);
    return bytes.slice(0, this.encodeInto(text, bytes).written);
  }

  /** Writes as many whole characters as fit. Halves of surrogate pairs become U+FFFD. */
  encodeInto(text: string, bytes: Uint8Array): { read: number; written: number } {
    let read = 0;
    let written = 0;
    while (read < text.length) {
      const point = pointAt(text, read);
      const size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      if (written + size > bytes.length) break;
      read += size === 4 ? 2 : 1;
      if (size === 1) {
        bytes[written++] = point;
        continue;
      }
      let shift = (size - 1) * 6;
      bytes[written++] = ((0xf00 >> size) & 0xff) | (point >> shift);
      while (shift > 0) {
        shift -= 6;
        bytes[written++] = 0x80 | ((point >> shift) & 0x3f);
      }
    }
    return { read, written };
  }
}

function pointAt(text: string, index: number): number {
  const point = text.codePointAt(index) ?? 0;
  return point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
}
