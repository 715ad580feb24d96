/** Keys of the embedded log, which sort by shard, then by number. */

const SHARD_BYTES = 2;
const SEQ_BYTES = 8;
const CHUNK_BYTES = 4;
const HIGH = 2 ** 32;

export const MAX_SHARD = 0xffff;

export function shardKey(shard: number): Uint8Array {
  return keyOf(shard, SHARD_BYTES).bytes;
}

export function logKey(shard: number, seq: number): Uint8Array {
  const { bytes, view } = keyOf(shard, SHARD_BYTES + SEQ_BYTES);
  setLarge(view, SHARD_BYTES, seq);
  return bytes;
}

export function seqOfLogKey(key: Uint8Array): number {
  return getLarge(viewOf(key), SHARD_BYTES);
}

/** Chunks of a snapshot: every snapshot of a shard has another `generation`. */
export function chunkKey(shard: number, generation: number, chunk: number): Uint8Array {
  const { bytes, view } = keyOf(shard, SHARD_BYTES + SEQ_BYTES + CHUNK_BYTES);
  setLarge(view, SHARD_BYTES, generation);
  view.setUint32(SHARD_BYTES + SEQ_BYTES, chunk);
  return bytes;
}

/** Three numbers as bytes: which snapshot of a shard is the current one. */
export interface SnapshotEntry {
  readonly generation: number;
  readonly seq: number;
  readonly chunks: number;
}

export function encodeSnapshotEntry({ generation, seq, chunks }: SnapshotEntry): Uint8Array {
  const bytes = new Uint8Array(3 * SEQ_BYTES);
  const view = viewOf(bytes);
  [generation, seq, chunks].forEach((number, index) => {
    setLarge(view, index * SEQ_BYTES, number);
  });
  return bytes;
}

export function decodeSnapshotEntry(bytes: Uint8Array): SnapshotEntry {
  const view = viewOf(bytes);
  return { generation: getLarge(view, 0), seq: getLarge(view, SEQ_BYTES), chunks: getLarge(view, 2 * SEQ_BYTES) };
}

function keyOf(shard: number, length: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  view.setUint16(0, shard);
  return { bytes, view };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function setLarge(view: DataView, at: number, number: number): void {
  view.setUint32(at, Math.floor(number / HIGH));
  view.setUint32(at + 4, number % HIGH);
}

function getLarge(view: DataView, at: number): number {
  return view.getUint32(at) * HIGH + view.getUint32(at + 4);
}
