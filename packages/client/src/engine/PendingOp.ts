import type { EntryBatch, Tag, TopGunError } from '@topgunbuild/core';

/**
 * queued: waits to be sent · sent: its outcome is unknown · acked: durable at the server · rejected: refused for good ·
 * superseded: a later operation on the same key took its place before it was sent.
 */
export type OpState = 'queued' | 'sent' | 'acked' | 'rejected' | 'superseded';

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: TopGunError) => void;
}

/** One operation of the op-log, from the write that made it until the server has answered. */
export class PendingOp {
  /** Position in the op-log; grows with every write. */
  readonly number: number;
  readonly map: string;
  readonly key: string;
  readonly tag: Tag;
  ms: number;
  counter: number;
  replica: string;
  expires: number;
  value: Uint8Array;
  state: OpState = 'queued';
  /** How often it was handed to a connection under its timestamp. */
  sendings = 0;
  /**
   * While it was under way a stream came to its end without its row. An answer does not say whether the server took it in
   * before that, and something else is in its place, or afterwards, and its row is on its way from another node.
   */
  isInDoubt = false;
  /** The server has taken in a later value of its key: whatever becomes of this one, it is not shown again. */
  isOvertaken = false;
  /** Its timestamp was taken while the server's time was known. */
  trusted: boolean;
  stored = false;
  /** Must not be sent before it is stored: another process would otherwise make another operation of it. */
  isStoredFirst = false;
  /** Grows when what has to be stored of it changes. */
  revision = 0;
  /** How often the server refused its timestamp as too far ahead. */
  driftRefusals = 0;
  /** The next older pending operation on the same key. */
  older: PendingOp | null = null;
  error: TopGunError | null = null;
  storageError: TopGunError | null = null;
  #successor: PendingOp | null = null;
  #onAcked: Waiter[] | null = null;
  #onStored: Waiter[] | null = null;

  constructor(
    number: number,
    map: string,
    key: string,
    tag: Tag,
    ms: number,
    counter: number,
    replica: string,
    expires: number,
    value: Uint8Array,
    trusted: boolean,
  ) {
    this.number = number;
    this.map = map;
    this.key = key;
    this.tag = tag;
    this.ms = ms;
    this.counter = counter;
    this.replica = replica;
    this.expires = expires;
    this.value = value;
    this.trusted = trusted;
  }

  addTo(batch: EntryBatch): number {
    return batch.add(this.map, this.key, this.tag, this.ms, this.counter, this.replica, this.expires, this.value);
  }

  /** Makes the operation the only row of `batch`. */
  putIn(batch: EntryBatch): void {
    batch.setOnly(this.map, this.key, this.tag, this.ms, this.counter, this.replica, this.expires, this.value);
  }

  /** Bytes that the operation takes in a frame, roughly. */
  get size(): number {
    return this.key.length + this.value.length + 16;
  }

  /** The server may know it under its timestamp. */
  get everSent(): boolean {
    return this.sendings > 0;
  }

  get isSettled(): boolean {
    return this.state === 'acked' || this.state === 'rejected';
  }

  /** This and the older pending operations on its key, newest first. */
  line(): PendingOp[] {
    const ops: PendingOp[] = [];
    for (let op: PendingOp | null = this; op !== null; op = op.older) ops.push(op);
    return ops;
  }

  /** The operation that stands for this one now. */
  get current(): PendingOp {
    let op: PendingOp = this;
    while (op.#successor !== null) op = op.#successor;
    return op;
  }

  /** Hands everything that waits for this operation over to `successor`. */
  supersedeBy(successor: PendingOp): void {
    this.state = 'superseded';
    this.#successor = successor;
    if (this.#onAcked !== null) successor.#onAcked = [...(successor.#onAcked ?? []), ...this.#onAcked];
    if (this.#onStored !== null) successor.#onStored = [...(successor.#onStored ?? []), ...this.#onStored];
    this.#onAcked = null;
    this.#onStored = null;
  }

  markAcked(): void {
    this.state = 'acked';
    for (const waiter of this.#onAcked ?? []) waiter.resolve();
    this.#onAcked = null;
  }

  markRejected(error: TopGunError): void {
    this.state = 'rejected';
    this.error = error;
    for (const waiter of this.#onAcked ?? []) waiter.reject(error);
    this.#onAcked = null;
  }

  markStored(): void {
    this.stored = true;
    this.storageError = null;
    for (const waiter of this.#onStored ?? []) waiter.resolve();
    this.#onStored = null;
  }

  markStorageFailed(error: TopGunError): void {
    this.storageError = error;
    for (const waiter of this.#onStored ?? []) waiter.reject(error);
    this.#onStored = null;
  }

  acked(): Promise<void> {
    const op = this.current;
    if (op.state === 'acked') return Promise.resolve();
    if (op.error !== null) return Promise.reject(op.error);
    return new Promise((resolve, reject) => {
      op.#onAcked = [...(op.#onAcked ?? []), { resolve, reject }];
    });
  }

  persisted(): Promise<void> {
    const op = this.current;
    if (op.stored) return Promise.resolve();
    if (op.storageError !== null) return Promise.reject(op.storageError);
    return new Promise((resolve, reject) => {
      op.#onStored = [...(op.#onStored ?? []), { resolve, reject }];
    });
  }
}
