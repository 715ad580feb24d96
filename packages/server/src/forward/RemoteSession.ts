import {
  decodeServerMessage,
  encodeMessage,
  type OpAckMessage,
  type QueryResetMessage,
  type QuerySubMessage,
  type RecordsHead,
  type RejectedOp,
  readRecordsHead,
  TopGunError,
} from '@topgunbuild/core';
import type { ForwardedWrite } from './ForwardedWrite.js';
import type { Channel, ChannelUser } from './OriginEnd.js';

/** Ops of one write that go to one node together. */
export interface Leg {
  readonly write: ForwardedWrite;
  readonly indexes: readonly number[];
  /** How often they were sent before. */
  readonly attempt: number;
}

/** A stream at another node that is part of a query of this session. */
export interface RemotePart {
  onRecords(frame: Uint8Array, head: RecordsHead): void;
  onReset(message: QueryResetMessage): void;
  /** It has ended, or was not opened, because its shards are not there. */
  onMoved(): void;
  /** It was refused. */
  onError(error: TopGunError): void;
}

export interface RemoteOwner {
  readonly hasRoom: boolean;
  /** The node did not take these ops. */
  onNotTaken(leg: Leg): void;
  onLost(remote: RemoteSession): void;
  /** What came could not be read. */
  onFailure(error: unknown): void;
}

/** Refusals that say something of the node, not of the op: another node, or this one later, may take it. */
const NODE_CODES: ReadonlySet<string> = new Set(['SHUTTING_DOWN', 'NOT_OWNER']);

/** What one session of this node does at one other node: ops that are not answered yet, and streams. */
export class RemoteSession implements ChannelUser {
  readonly nodeId: string;
  readonly #owner: RemoteOwner;
  readonly #channel: Channel;
  readonly #legs = new Map<number, Leg>();
  readonly #parts = new Map<number, RemotePart>();
  #nextBatch = 1;
  #nextPart = 1;

  constructor(nodeId: string, owner: RemoteOwner, open: (user: ChannelUser) => Channel) {
    this.nodeId = nodeId;
    this.#owner = owner;
    this.#channel = open(this);
  }

  get hasRoom(): boolean {
    return this.#owner.hasRoom;
  }

  write(leg: Leg, mapVersion: number): void {
    const batchId = this.#nextBatch++;
    this.#legs.set(batchId, leg);
    const ops = leg.write.part(leg.indexes);
    this.#channel.send(encodeMessage({ type: 'OP_BATCH', batchId, routed: true, mapVersion, ops }));
  }

  /** Opens a stream there; its id is for `unsubscribe`. */
  subscribe(message: Omit<QuerySubMessage, 'type' | 'queryId'>, part: RemotePart): number {
    const queryId = this.#nextPart++;
    this.#parts.set(queryId, part);
    this.#channel.send(encodeMessage({ type: 'QUERY_SUB', queryId, ...message }));
    return queryId;
  }

  /** Nothing comes of the stream any more. */
  unsubscribe(queryId: number): void {
    if (this.#parts.delete(queryId)) this.#channel.send(encodeMessage({ type: 'QUERY_UNSUB', queryId }));
  }

  renew(passport: Uint8Array): void {
    this.#channel.renew(passport);
  }

  onDrain(): void {
    this.#channel.onDrain();
  }

  close(): void {
    this.#legs.clear();
    this.#parts.clear();
    this.#channel.close();
  }

  onFrame(frame: Uint8Array): void {
    try {
      const head = readRecordsHead(frame);
      if (head === null) this.#onMessage(frame);
      else this.#parts.get(head.queryId)?.onRecords(frame, head);
    } catch (error) {
      this.#owner.onFailure(error);
    }
  }

  onLost(): void {
    const legs = [...this.#legs.values()];
    const parts = [...this.#parts.values()];
    this.#legs.clear();
    this.#parts.clear();
    this.#owner.onLost(this);
    for (const part of parts) part.onMoved();
    for (const leg of legs) this.#owner.onNotTaken(leg);
  }

  #onMessage(frame: Uint8Array): void {
    const message = decodeServerMessage(frame);
    switch (message.type) {
      case 'OP_ACK':
        this.#onAck(message);
        return;
      case 'QUERY_RESET':
        this.#parts.get(message.queryId)?.onReset(message);
        return;
      case 'NOT_OWNER':
        this.#endOf(message.ref)?.onMoved();
        return;
      case 'ERROR':
        if (message.ref !== null) this.#endOf(message.ref)?.onError(new TopGunError(message.code, message.message));
        return;
      default:
        return;
    }
  }

  #endOf(queryId: number): RemotePart | undefined {
    const part = this.#parts.get(queryId);
    this.#parts.delete(queryId);
    return part;
  }

  #onAck({ batchId, ranges, rejected }: OpAckMessage): void {
    const leg = this.#legs.get(batchId);
    if (leg === undefined) return;
    this.#legs.delete(batchId);
    const { write, indexes } = leg;
    // Most batches are taken whole.
    if (rejected.length === 0 && ranges[0] === 0 && ranges[1] === indexes.length) {
      write.settle(indexes.length);
      return;
    }
    const notTaken = new Set(indexes);
    let settled = 0;
    for (let i = 0; i + 1 < ranges.length; i += 2) {
      const end = Math.min(indexes.length, (ranges[i] as number) + (ranges[i + 1] as number));
      for (let row = ranges[i] as number; row < end; row++) if (notTaken.delete(indexes[row] as number)) settled++;
    }
    const refused: RejectedOp[] = [];
    for (const { index: row, code, message } of rejected) {
      const index = indexes[row];
      if (index !== undefined && !NODE_CODES.has(code) && notTaken.delete(index))
        refused.push({ index, code, message });
    }
    if (notTaken.size > 0) this.#owner.onNotTaken({ ...leg, indexes: [...notTaken] });
    write.refuse(refused);
    if (settled > 0) write.settle(settled);
  }
}
