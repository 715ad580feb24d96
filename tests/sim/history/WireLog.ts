import {
  decodeClientMessage,
  decodeServerMessage,
  decodeStamps,
  decodeTotals,
  decodeValue,
  type EntryBatch,
  type ErrorCode,
  Tag,
  WIRE_TYPES,
} from '@topgunbuild/core';
import type { Link } from '../world/Link.js';

/** An operation as it stood on the wire. */
export interface WireOp {
  readonly identity: string;
  readonly map: string;
  readonly key: string;
  readonly tag: number;
  readonly ms: number;
  readonly counter: number;
  readonly replica: string;
  readonly expires: number;
  readonly bytes: Uint8Array;
  /** The id inside the value, of sets and additions. */
  readonly valueId: string | null;
  /** Identities of elements that it takes away. */
  readonly removes: readonly string[];
  readonly totals: { readonly added: number; readonly removed: number } | null;
  /** The node has sent an ack, and must stand by it. */
  acked: boolean;
  rejected: ErrorCode | null;
}

/** What clients sent and the node answered, read off the wire: nobody's memory but the simulation's own. */
export class WireLog {
  readonly ops = new Map<string, WireOp>();
  /** By value id: usually one operation, several when it was stamped anew. */
  readonly byValue = new Map<string, WireOp[]>();
  /** Told of each op that a server acks, every time. */
  onAcked: ((op: WireOp, link: Link) => void) | null = null;
  readonly #batches = new WeakMap<Link, Map<number, readonly WireOp[]>>();
  readonly #onViolation: (promise: string, what: string) => void;

  constructor(onViolation: (promise: string, what: string) => void) {
    this.#onViolation = onViolation;
  }

  onUp(link: Link, frame: Uint8Array): void {
    if (frame[1] !== WIRE_TYPES.OP_BATCH) return;
    const message = decodeClientMessage(frame.slice());
    if (message.type !== 'OP_BATCH') return;
    const ops = Array.from({ length: message.ops.count }, (_, index) => this.#note(message.ops, index));
    const batches = this.#batches.get(link) ?? new Map<number, readonly WireOp[]>();
    this.#batches.set(link, batches.set(message.batchId, ops));
  }

  onDown(link: Link, frame: Uint8Array): void {
    if (frame[1] !== WIRE_TYPES.OP_ACK) return;
    const message = decodeServerMessage(frame.slice());
    if (message.type !== 'OP_ACK') return;
    const ops = this.#batches.get(link)?.get(message.batchId);
    if (ops === undefined) return this.#onViolation('wire', `ack of an unknown batch ${message.batchId}`);
    for (let i = 0; i + 1 < message.ranges.length; i += 2) {
      const first = message.ranges[i] as number;
      for (const op of ops.slice(first, first + (message.ranges[i + 1] as number))) {
        op.acked = true;
        this.onAcked?.(op, link);
      }
    }
    for (const { index, code } of message.rejected) {
      const op = ops[index];
      if (op !== undefined) op.rejected = code;
    }
  }

  /** The operator went back to a backup: what was acked until now may be gone. */
  forgetAcks(): void {
    for (const op of this.ops.values()) op.acked = false;
  }

  #note(batch: EntryBatch, index: number): WireOp {
    const op = toWireOp(batch, index);
    const known = this.ops.get(op.identity);
    if (known !== undefined) {
      if (known.map !== op.map || known.key !== op.key || known.tag !== op.tag || !sameBytes(known.bytes, op.bytes)) {
        this.#onViolation('identity', `two operations are called ${op.identity}: ${told(known)} and ${told(op)}`);
      }
      return known;
    }
    this.ops.set(op.identity, op);
    if (op.valueId !== null) this.byValue.set(op.valueId, [...(this.byValue.get(op.valueId) ?? []), op]);
    return op;
  }
}

function toWireOp(batch: EntryBatch, index: number): WireOp {
  const tag = batch.tags[index] as number;
  const map = batch.maps[index] as string;
  const key = batch.keys[index] as string;
  const ms = batch.ms[index] as number;
  const counter = batch.counters[index] as number;
  const replica = batch.replicas[index] as string;
  const bytes = batch.bytes(index).slice();
  // A counter's operation is named by its slot and total: offered again it bears the record's timestamp. A removal that
  // is offered again bears the timestamp of what it removes.
  let identity = stampId(ms, counter, replica);
  if (tag === Tag.COUNTER_ADD) identity = `${map}/${key}/${replica}=${[...bytes].join()}`;
  if (tag === Tag.OR_REMOVE) identity = `-${identity}`;
  return {
    identity,
    map,
    key,
    tag,
    ms,
    counter,
    replica,
    expires: batch.expires[index] as number,
    bytes,
    valueId: tag === Tag.LWW_SET || tag === Tag.OR_ADD ? idOf(decodeValue(bytes)) : null,
    removes:
      tag === Tag.OR_REMOVE ? decodeStamps(bytes).map((stamp) => stampId(stamp.ms, stamp.counter, stamp.replica)) : [],
    totals: tag === Tag.COUNTER_ADD ? decodeTotals(bytes) : null,
    acked: false,
    rejected: null,
  };
}

export function stampId(ms: number, counter: number, replica: string): string {
  return `${ms}.${counter}@${replica}`;
}

/** The id that the workload puts into every value. */
export function idOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return null;
  const id: unknown = Reflect.get(value, 'id');
  return typeof id === 'string' ? id : null;
}

export function told(op: WireOp): string {
  return `tag ${op.tag} on ${op.map}/${op.key} at ${stampId(op.ms, op.counter, op.replica)} of ${op.valueId ?? '-'}`;
}

/** Total order of timestamps. */
export function isAfter(
  a: { readonly ms: number; readonly counter: number; readonly replica: string },
  b: { readonly ms: number; readonly counter: number; readonly replica: string },
): boolean {
  if (a.ms !== b.ms) return a.ms > b.ms;
  return a.counter !== b.counter ? a.counter > b.counter : a.replica > b.replica;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
