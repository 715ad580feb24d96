import { EntryBatch, encodeMessage, encodeValue, Tag } from '@topgunbuild/core';

/** What a row costs in a frame beside its key and value, about. */
const ROW_OVERHEAD = 16;
/** `[type` of QUERY_RECORDS: the array's header and its first item, a byte each or two. */
const QUERY_ID_AT = encodeMessage({
  type: 'QUERY_RECORDS',
  queryId: 0,
  cursors: [],
  records: new EntryBatch(),
  initial: false,
  last: false,
}).indexOf(0, 1);

/** Rows on their way into a QUERY_RECORDS, with an estimate of their size. */
export class RecordRows {
  readonly batch = new EntryBatch();
  bytes = 0;

  add(table: { addTo(batch: EntryBatch, slot: number): number }, slot: number): void {
    const { batch } = this;
    const row = table.addTo(batch, slot);
    const value = (batch.ends[row] as number) - (batch.starts[row] as number);
    this.bytes += (batch.keys[row] as string).length + value + ROW_OVERHEAD;
  }

  left(map: string, key: string): void {
    this.batch.add(map, key, Tag.LEFT, 0, 0, '', 0);
    this.bytes += key.length + ROW_OVERHEAD;
  }
}

/**
 * One QUERY_RECORDS for many subscribers. Frames differ by the query's id only, so the rows are encoded once, and
 * subscribers that chose the same id share the very bytes.
 */
export class SharedFrame {
  readonly #rows: RecordRows;
  readonly cursors: readonly number[];
  readonly #frames = new Map<number, Uint8Array>();
  #first: Uint8Array | null = null;
  #tailAt = 0;

  constructor(rows: RecordRows, cursors: readonly number[]) {
    this.#rows = rows;
    this.cursors = cursors;
  }

  forQuery(queryId: number): Uint8Array {
    const known = this.#frames.get(queryId);
    if (known !== undefined) return known;
    const frame = this.#first === null ? this.#encode(queryId) : this.#readdress(this.#first, queryId);
    this.#frames.set(queryId, frame);
    return frame;
  }

  #encode(queryId: number): Uint8Array {
    const frame = recordsFrame(queryId, this.cursors, this.#rows.batch, false, false);
    this.#first = frame;
    this.#tailAt = QUERY_ID_AT + encodeValue(queryId).length;
    return frame;
  }

  #readdress(first: Uint8Array, queryId: number): Uint8Array {
    const id = encodeValue(queryId);
    const frame = new Uint8Array(QUERY_ID_AT + id.length + first.length - this.#tailAt);
    frame.set(first.subarray(0, QUERY_ID_AT));
    frame.set(id, QUERY_ID_AT);
    frame.set(first.subarray(this.#tailAt), QUERY_ID_AT + id.length);
    return frame;
  }
}

export function recordsFrame(
  queryId: number,
  cursors: readonly number[],
  records: EntryBatch,
  initial: boolean,
  last: boolean,
): Uint8Array {
  return encodeMessage({ type: 'QUERY_RECORDS', queryId, cursors, records, initial, last });
}
