import { TopGunError } from '../errors.js';
import { ByteReader } from '../wire/ByteReader.js';
import { ByteWriter } from '../wire/ByteWriter.js';

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
 */
export type CounterState = readonly CounterSlot[];

export function counterValue(state: CounterState): number {
  let value = 0;
  for (const slot of state) value += slot.added - slot.removed;
  return value;
}

export function joinCounterStates(a: CounterState, b: CounterState): CounterState {
  const joined: CounterSlot[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    if (right === undefined || (left !== undefined && left.replica < right.replica)) {
      joined.push(left as CounterSlot);
      i++;
    } else if (left === undefined || right.replica < left.replica) {
      joined.push(right);
      j++;
    } else {
      joined.push({
        replica: left.replica,
        added: Math.max(left.added, right.added),
        removed: Math.max(left.removed, right.removed),
      });
      i++;
      j++;
    }
  }
  return joined;
}

export function encodeCounterState(state: CounterState): Uint8Array {
  const writer = new ByteWriter();
  writer.writeVaruint(state.length);
  for (const slot of state) {
    writer.writeString(slot.replica);
    writer.writeVaruint(slot.added);
    writer.writeVaruint(slot.removed);
  }
  return writer.toBytes();
}

/** @throws TopGunError BAD_FRAME for bytes that are no state. */
export function decodeCounterState(bytes: Uint8Array): CounterState {
  const reader = new ByteReader(bytes);
  const state: CounterSlot[] = [];
  for (let n = reader.readCount(3); n > 0; n--) {
    const slot = { replica: reader.readString(), added: reader.readVaruint(), removed: reader.readVaruint() };
    const previous = state.at(-1);
    if (previous !== undefined && previous.replica >= slot.replica) {
      throw new TopGunError('BAD_FRAME', 'A counter state must list its slots in ascending order of replicas.');
    }
    state.push(slot);
  }
  reader.expectEnd();
  return state;
}

/** The payload of COUNTER_ADD: the new totals of the operation's own replica. */
export function encodeTotals(added: number, removed: number): Uint8Array {
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
