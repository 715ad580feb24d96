import type { RecordTable } from '../table/RecordTable.js';
import { ByteReader } from '../wire/ByteReader.js';
import { ByteWriter } from '../wire/ByteWriter.js';
import {
  type CounterSlot,
  type CounterState,
  decodeCounterState,
  decodeTotals,
  encodeCounterState,
  readAdded,
  readRemoved,
  SLOT_BYTES,
  writeSlot,
  writeTotals,
} from './CounterState.js';
import { Tag } from './Entry.js';
import type { EntryBatch } from './EntryBatch.js';
import { NameColumn } from './NameColumn.js';
import { Outcome } from './Outcome.js';
import { editState, mergeStampOnly, putState } from './recordStamp.js';

/**
 * Joins a counter row with the record in `slot` (-1: none). A slot that is there is raised in place, so a hot counter
 * costs the same however many replicas it has. `write` false: only says what would happen.
 */
export function mergeCounter(
  table: RecordTable,
  slot: number,
  batch: EntryBatch,
  index: number,
  seq: number,
  maxSlots: number,
  write: boolean,
): Outcome {
  const change = changeOf(batch, index);
  if (change.length === 0) return Outcome.DUPLICATE;
  if (slot < 0) {
    if (change.length > maxSlots) return Outcome.LIMIT;
    if (write) {
      const bytes = encodeCounterState(change);
      putState(table, slot, batch, index, Tag.COUNTER_STATE, bytes, 0, bytes.length, seq);
    }
    return Outcome.APPLIED;
  }

  const state = new CounterView(table.source(slot), table.start(slot), table.end(slot));
  const missing: CounterSlot[] = [];
  const places: number[] = [];
  let raises = false;
  for (const own of change) {
    const number = state.names.find(own.replica);
    if (number >= 0) {
      raises ||= state.isRaisedBy(number, own);
    } else {
      missing.push(own);
      places.push(-1 - number);
    }
  }
  if (missing.length === 0 && !raises) return mergeStampOnly(table, slot, batch, index, seq, write);
  if (missing.length > 0 && state.names.count + missing.length > maxSlots) return Outcome.LIMIT;
  if (!write) return Outcome.APPLIED;
  if (missing.length === 0) {
    editState(table, slot, batch, index, seq);
    state.raise(change);
  } else {
    const bytes = state.withSlots(places, missing);
    if (raises) new CounterView(bytes, 0, bytes.length).raise(change);
    putState(table, slot, batch, index, Tag.COUNTER_STATE, bytes, 0, bytes.length, seq);
  }
  return Outcome.APPLIED;
}

function changeOf(batch: EntryBatch, index: number): CounterState {
  if (batch.tags[index] === Tag.COUNTER_STATE) return decodeCounterState(batch.bytes(index));
  return [{ replica: batch.replicas[index] as string, ...decodeTotals(batch.bytes(index)) }];
}

/** The bytes of a CounterState, searched and edited in place. For bytes that are known to be right. */
class CounterView {
  readonly names: NameColumn;
  readonly #bytes: Uint8Array;
  readonly #start: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    const reader = new ByteReader(bytes, start, end);
    const count = reader.readVaruint();
    this.names = new NameColumn(bytes, reader.position, count);
    this.#bytes = bytes;
    this.#start = start;
  }

  isRaisedBy(number: number, other: CounterSlot): boolean {
    const at = this.#slotAt(number);
    return other.added > readAdded(this.#bytes, at) || other.removed > readRemoved(this.#bytes, at);
  }

  /** Raises the slots of `change` that are there. */
  raise(change: CounterState): void {
    for (const { replica, added, removed } of change) {
      const number = this.names.find(replica);
      if (number < 0) continue;
      const at = this.#slotAt(number);
      const bytes = this.#bytes;
      writeTotals(bytes, at, Math.max(added, readAdded(bytes, at)), Math.max(removed, readRemoved(bytes, at)));
    }
  }

  /** A copy with more slots, each before the slot that has the number `places[i]` now; both ascending. */
  withSlots(places: readonly number[], slots: CounterState): Uint8Array {
    const writer = new ByteWriter(this.#slotAt(this.names.count) - this.#start + slots.length * 128);
    writer.writeVaruint(this.names.count + slots.length);
    this.names.writeWith(
      writer,
      places,
      slots.map((slot) => slot.replica),
    );
    let copied = 0;
    slots.forEach((slot, i) => {
      const place = places[i] as number;
      writer.writeRaw(this.#bytes, this.#slotAt(copied), this.#slotAt(place));
      writeSlot(writer, slot);
      copied = place;
    });
    writer.writeRaw(this.#bytes, this.#slotAt(copied), this.#slotAt(this.names.count));
    return writer.bytes.subarray(0, writer.length);
  }

  #slotAt(number: number): number {
    return this.names.end + number * SLOT_BYTES;
  }
}
