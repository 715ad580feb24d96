import type { HLC } from '../clock/HLC.js';
import { TopGunError } from '../errors.js';
import { type CounterSlot, counterValue, decodeCounterState, encodeTotals } from './CounterState.js';
import { Kind, Tag } from './Entry.js';
import type { EntryBatch } from './EntryBatch.js';
import { LocalRecords } from './LocalRecords.js';

/**
 * A counter that every replica may raise and lower at any time, without loss: each keeps its own totals, and an operation
 * tells the new totals, so merging one twice counts it once. The CRDT under TopGun's counters, for use without client
 * or server.
 */
export class PNCounter {
  readonly #records: LocalRecords;
  readonly #key: string;

  /** `clock` names the replica; no two replicas may share a name. `name` and `key` are what rows call the counter. */
  constructor(clock: HLC, name = '', key = '') {
    this.#records = new LocalRecords(name, Kind.COUNTER, clock);
    this.#key = key;
  }

  /**
   * Adds `n`, a whole number from 0 on. Returns the operation, to be merged by others.
   * @throws TopGunError INVALID_VALUE for another `n`, LIMIT_EXCEEDED when this replica's total would pass 2^53 - 1
   */
  increment(n = 1): EntryBatch {
    const own = this.#own();
    return this.#change(raised(own.added, n), own.removed);
  }

  /** Takes away `n`; as `increment`. */
  decrement(n = 1): EntryBatch {
    const own = this.#own();
    return this.#change(own.added, raised(own.removed, n));
  }

  /** Exact up to ±(2^53 - 1), where it stays. */
  get value(): number {
    return counterValue(this.#slots());
  }

  /**
   * Merges operations or the whole state of other replicas; rows of other counters are passed over. Returns whether
   * anything changed.
   * @throws TopGunError BAD_FRAME when a row's payload is malformed; the rows before it are merged
   */
  merge(rows: EntryBatch): boolean {
    return this.#records.merge(rows).includes(this.#key);
  }

  /** The whole state: what another replica merges to know all that this one knows. */
  toEntries(): EntryBatch {
    return this.#records.toEntries();
  }

  #change(added: number, removed: number): EntryBatch {
    return this.#records.apply(Tag.COUNTER_ADD, this.#key, encodeTotals(added, removed));
  }

  #own(): CounterSlot {
    const { replica } = this.#records.clock;
    return this.#slots().find((slot) => slot.replica === replica) ?? { replica, added: 0, removed: 0 };
  }

  #slots(): readonly CounterSlot[] {
    const { table } = this.#records;
    const slot = table.find(this.#key);
    return slot < 0 ? [] : decodeCounterState(table.bytes(slot));
  }
}

function raised(total: number, n: number): number {
  if (!Number.isSafeInteger(n) || n < 0)
    throw new TopGunError('INVALID_VALUE', 'A counter takes whole numbers from 0 on.');
  if (total > Number.MAX_SAFE_INTEGER - n) {
    throw new TopGunError('LIMIT_EXCEEDED', 'The counter cannot count beyond 2^53 - 1; use another key.');
  }
  return total + n;
}
