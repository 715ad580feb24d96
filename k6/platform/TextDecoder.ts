const REPLACEMENT = 0xfffd;
/** Arguments of one call. */
const CHUNK = 4096;

/** UTF-8 for hosts without `TextDecoder`, see TextEncoder. Whole texts only, no streams. */
export class TextDecoder {
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;

  constructor(label = 'utf-8', options: { readonly fatal?: boolean; readonly ignoreBOM?: boolean } = {}) {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`only UTF-8 is known here, not ${label}`);
    this.fatal = options.fatal ?? false;
    this.ignoreBOM = options.ignoreBOM ?? false;
  }

  /** @throws TypeError for what is not UTF-8, when `fatal` */
  decode(bytes: Uint8Array = new Uint8Array(0)): string {
    let text = '';
    let units: number[] = [];
    let at = 0;
    while (at < bytes.length) {
      const { point, next } = readPoint(bytes, at);
      if (point < 0 && this.fatal) throw new TypeError('the bytes are not UTF-8');
      const isMark = point === 0xfeff && at === 0 && !this.ignoreBOM;
      at = next;
      if (!isMark) pushUnits(units, point < 0 ? REPLACEMENT : point);
      if (units.length >= CHUNK) {
        text += String.fromCharCode(...units);
        units = [];
      }
    }
    return text + String.fromCharCode(...units);
  }
}

function pushUnits(units: number[], point: number): void {
  if (point < 0x10000) units.push(point);
  else units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
}

/** The character at `at`, -1 for a sequence that is none (RFC 3629), and where the next one begins. */
function readPoint(bytes: Uint8Array, at: number): { point: number; next: number } {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return { point: lead, next: at + 1 };
  if (lead < 0xc2 || lead > 0xf4) return { point: -1, next: at + 1 };
  const more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  let point = lead & (0x3f >> more);
  for (let i = 1; i <= more; i++) {
    const byte = bytes[at + i] ?? 0;
    // Only the second byte has a range of its own: it rules out overlong forms, surrogates and points too high.
    const lowest = i > 1 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const highest = i > 1 ? 0xbf : lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (byte < lowest || byte > highest) return { point: -1, next: at + i };
    point = (point << 6) | (byte & 0x3f);
  }
  return { point, next: at + more + 1 };
}
