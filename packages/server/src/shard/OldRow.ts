import type { RecordTable, Tag } from '@topgunbuild/core';

const NO_BYTES = new Uint8Array(0);

/** A record as it was before it changed, for those who must know whether it belonged to their query. */
export class OldRow {
  /** The record was not there, or nobody asks. */
  static readonly ABSENT = new OldRow(null, 0, NO_BYTES);
  /**
   * The record did not change, but somebody wrote to it and lost: whoever does not see the winner, because it is
   * outside of his query, must learn that his own version is not the server's.
   */
  static readonly CONFIRMED = new OldRow(null, 0, NO_BYTES);

  /** Null: there is no row to look at. */
  readonly tag: Tag | null;
  readonly expires: number;
  readonly bytes: Uint8Array;

  private constructor(tag: Tag | null, expires: number, bytes: Uint8Array) {
    this.tag = tag;
    this.expires = expires;
    this.bytes = bytes;
  }

  /** A copy: the table overwrites values in place. */
  static of(table: RecordTable, slot: number): OldRow {
    return new OldRow(table.tag(slot), table.expires(slot), table.bytes(slot).slice());
  }
}
