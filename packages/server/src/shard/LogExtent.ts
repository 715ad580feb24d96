/**
 * What reading a record of a log costs besides its bytes, in bytes. It is delivered, looked at and applied on its own: some
 * 20 us over NATS, in which as much as this can be loaded of a snapshot.
 */
export const RECORD_COST_BYTES = 1024;

/** How much log there is, and how much of it a snapshot has made superfluous. */
interface Span {
  readonly bytes: number;
  readonly records: number;
}

/** How much of a shard's log stands for its state. */
export class LogExtent {
  snapshotSeq = 0;
  snapshotBytes = 0;
  #bytes = 0;
  #records = 0;

  /** Bytes of log records since the snapshot. */
  get logBytes(): number {
    return this.#bytes;
  }

  /** The log since the snapshot, as it is now. */
  get log(): Span {
    return { bytes: this.#bytes, records: this.#records };
  }

  /** A snapshot is what the shard begins with. */
  restored(seq: number, chunks: readonly Uint8Array[]): void {
    this.snapshotSeq = seq;
    for (const chunk of chunks) this.snapshotBytes += chunk.length;
  }

  /** One more record. */
  add(record: Uint8Array): void {
    this.#bytes += record.length;
    this.#records++;
  }

  /** A snapshot was saved that stands for what of the log was there at that time. */
  saved(seq: number, snapshotBytes: number, covered: Span): void {
    this.snapshotSeq = seq;
    this.snapshotBytes = snapshotBytes;
    this.#bytes -= covered.bytes;
    this.#records -= covered.records;
  }

  /** What reading the log costs, in bytes. */
  cost(recordCostBytes: number): number {
    return this.#bytes + this.#records * recordCostBytes;
  }
}
