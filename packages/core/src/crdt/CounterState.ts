import { TopGunError } from '../errors.js';
import { ByteReader } from '../wire/ByteReader.js';
import { ByteWriter } from '../wire/ByteWriter.js';
import { readU56, writeU56 } from './fixedWidth.js';
import { readNames, writeNames } from './NameColumn.js';

/** What one replica has added and taken away in total. Whole numbers up to 2^53 - 1. */
export interface CounterSlot {
  readonly replica: string;
  readonly added: number;
  readonly removed: number;
}

/**
 * The state of a PN-counter: one slot per replica, ascending by replica, so equal states are equal byte by byte. Only
 * its own replica ever raises a slot, so the join is the larger of both sides and a retried operation counts once.
 * Source: Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types" (2011), PN-Counter.
 *
 * As bytes: the number of slots as a varuint, the replicas (see NameColumn), then per slot `added` and `removed`
 * in 7 bytes each. So a slot is found and raised in place, however many there are.
 */
export type CounterState = readonly CounterSlot[];

const TOTAL_BYTES = 7;
export const SLOT_BYTES = 2 * TOTAL_BYTES;
const LOW = 2 ** 26;

/** Exact while it lies within ±(2^53 - 1), however large the totals are; beyond, it stays at that bound. */
export function counterValue(state: CounterState): number {
  // Summed up in two parts, since a sum of totals on the way may well pass 2^53 and come back.
  let high = 0;
  let low = 0;
  for (const slot of state) {
    const change = slot.added - slot.removed;
    high += Math.floor(change / LOW);
    low += change - Math.floor(change / LOW) * LOW;
  }
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, high * LOW + low));
}

export function encodeCounterState(state: CounterState): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(8 + state.length * 64);
  writer.writeVaruint(state.length);
  writeNames(
    writer,
    state.map((slot) => slot.replica),
  );
  for (const slot of state) writeSlot(writer, slot);
  return writer.toBytes();
}

export function writeSlot(writer: ByteWriter, slot: CounterSlot): void {
  writer.reserve(SLOT_BYTES);
  writeTotals(writer.bytes, writer.length, slot.added, slot.removed);
  writer.length += SLOT_BYTES;
}

/** @throws TopGunError BAD_FRAME for bytes that are no state. */
export function decodeCounterState(bytes: Uint8Array): CounterState {
  const reader = new ByteReader(bytes);
  const count = reader.readCount(SLOT_BYTES);
  const replicas = readNames(reader, count);
  const state: CounterSlot[] = [];
  for (let i = 0; i < count; i++) {
    const at = reader.skip(SLOT_BYTES);
    const slot = { replica: replicas[i] as string, added: readAdded(bytes, at), removed: readRemoved(bytes, at) };
    if (!Number.isSafeInteger(slot.added) || !Number.isSafeInteger(slot.removed)) {
      throw new TopGunError('BAD_FRAME', 'A total of a counter is beyond 2^53.');
    }
    state.push(slot);
  }
  reader.expectEnd();
  return state;
}

export function readAdded(bytes: Uint8Array, slotAt: number): number {
  return readU56(bytes, slotAt);
}

export function readRemoved(bytes: Uint8Array, slotAt: number): number {
  return readU56(bytes, slotAt + TOTAL_BYTES);
}

export function writeTotals(bytes: Uint8Array, slotAt: number, added: number, removed: number): void {
  writeU56(bytes, slotAt, added);
  writeU56(bytes, slotAt + TOTAL_BYTES, removed);
}

/** The payload of COUNTER_ADD: the new totals of the operation's own replica. */
export function encodeTotals(added: number, removed: number): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(16);
  writer.writeVaruint(added);
  writer.writeVaruint(removed);
  return writer.toBytes();
}

/** @throws TopGunError BAD_FRAME */
export function decodeTotals(bytes: Uint8Array): { readonly added: number; readonly removed: number } {
  const reader = new ByteReader(bytes);
  const totals = { added: reader.readVaruint(), removed: reader.readVaruint() };
  reader.expectEnd();
  return totals;
}
