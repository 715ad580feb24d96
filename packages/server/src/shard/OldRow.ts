import type { EntryBatch, RecordTable, Tag } from '@topgunbuild/core';

const NO_BYTES = new Uint8Array(0);

/**
 * A version of a record that is no longer, or never was, the server's: for those who must know whether it belonged to
 * their query. Several changes between two looks leave several versions, linked from the last to the first.
 */
export class OldRow {
  /** The record was not there, or nobody asks. */
  static readonly ABSENT = new OldRow(null, 0, NO_BYTES, false, null);

  /** Null: there is no row to look at. */
  readonly tag: Tag | null;
  readonly expires: number;
  readonly bytes: Uint8Array;
  /**
   * It was written in vain: its author, who shows it, must learn that it is not the server's, even where the winner is
   * outside of his query.
   */
  readonly isLoser: boolean;
  readonly older: OldRow | null;

  private constructor(tag: Tag | null, expires: number, bytes: Uint8Array, isLoser: boolean, older: OldRow | null) {
    this.tag = tag;
    this.expires = expires;
    this.bytes = bytes;
    this.isLoser = isLoser;
    this.older = older;
  }

  /** A copy: the table overwrites values in place. */
  static of(table: RecordTable, slot: number, older: OldRow | null = null): OldRow {
    return new OldRow(table.tag(slot), table.expires(slot), table.bytes(slot).slice(), false, older);
  }

  static loser(batch: EntryBatch, index: number, older: OldRow | null): OldRow {
    const { tags, expires } = batch;
    return new OldRow(tags[index] as Tag, expires[index] as number, batch.bytes(index).slice(), true, older);
  }
}
