/*
 * The header of an unfragmented, unmasked binary frame, as servers send it (RFC 6455, section 5.2): FIN and opcode, then
 * the length in 7 bits, or as 126 and 16 bits, or as 127 and 64 bits.
 */
const FINAL_BINARY = 0x82;
const UINT32 = 2 ** 32;

export function headerSize(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

export function frameHeader(length: number): Buffer {
  const header = Buffer.allocUnsafe(headerSize(length));
  writeHeader(header, 0, length);
  return header;
}

/** Writes header and content at `at`; returns the position behind them. */
export function copyFrame(target: Buffer, at: number, content: Uint8Array): number {
  const start = writeHeader(target, at, content.length);
  target.set(content, start);
  return start + content.length;
}

function writeHeader(target: Buffer, at: number, length: number): number {
  target[at] = FINAL_BINARY;
  if (length < 126) {
    target[at + 1] = length;
    return at + 2;
  }
  if (length < 65_536) {
    target[at + 1] = 126;
    return target.writeUInt16BE(length, at + 2);
  }
  target[at + 1] = 127;
  target.writeUInt32BE(Math.floor(length / UINT32), at + 2);
  return target.writeUInt32BE(length % UINT32, at + 6);
}
