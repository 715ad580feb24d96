import { type EntryBatch, type Runtime, subjectTag, type TopGunError } from '@topgunbuild/core';
import type { Replica } from '../replica/Replica.js';
import type { IStorageAdapter } from '../storage/StorageAdapter.js';
import type { MetaSource, StorageWriter } from '../storage/StorageWriter.js';
import { LocalStore } from './LocalStore.js';
import type { PendingOp } from './PendingOp.js';
import { ReplicaClock, type ServerClock } from './ServerClock.js';
import type { Streams } from './Streams.js';
import type { Writes } from './Writes.js';

const STREAM_PREFIX = 'stream:';
/** Stored once the log has changed: from then on nobody knows in which of them a stored record stands. */
const OTHER_LOGS = 'otherLogs';

/** In UTF-16 units, of up to three bytes each. */
const MAX_IDENTITY = 600;

/** What an account fills when it is opened and empties when it is left. */
export interface AccountContent {
  readonly replica: Replica;
  readonly writes: Writes;
  readonly streams: Streams;
}

/**
 * On whose behalf this client acts: its client id, the subject of its token, the replica that its operations are made
 * under, and the part of the storage that belongs to them. Each opening is a new incarnation with a replica id
 * of its own, so that a store that was copied or restored can never make the same operation twice.
 */
export class Account {
  readonly #runtime: Runtime;
  readonly #clock: ServerClock;
  readonly #store: LocalStore | null;
  readonly #fixedClientId: string | null;
  /** Operations in memory of subjects that are not signed in now. */
  readonly #parked = new Map<string, PendingOp[]>();
  #clientId: string;
  /** Null until a first token tells for whom this client acts. */
  #subject: string | null = null;
  #replicaClock: ReplicaClock;
  #logId: string | null = null;

  constructor(
    runtime: Runtime,
    clock: ServerClock,
    storage: IStorageAdapter | null,
    clientId: string | null,
    onStorageError: (error: TopGunError) => void,
    onStored: () => void,
  ) {
    this.#runtime = runtime;
    this.#clock = clock;
    this.#store = storage === null ? null : new LocalStore(storage, runtime, onStorageError, onStored);
    this.#fixedClientId = clientId;
    this.#clientId = clientId ?? runtime.id();
    this.#replicaClock = this.#newIncarnation();
  }

  get clientId(): string {
    return this.#clientId;
  }

  /** For whom this client acts; null while that is not known. */
  get subject(): string | null {
    return this.#subject;
  }

  /** There is storage, though it may not be open yet. */
  get hasStorage(): boolean {
    return this.#store !== null;
  }

  get replicaClock(): ReplicaClock {
    return this.#replicaClock;
  }

  /** Where changes are stored; null without storage, or while none is open. */
  get writer(): StorageWriter | null {
    return this.#store?.writer ?? null;
  }

  /** The server log that this account has synced with last, null when it never has. */
  get logId(): string | null {
    return this.#logId;
  }

  set logId(logId: string) {
    if (logId === this.#logId) return;
    if (this.#logId !== null) this.writer?.putMeta(OTHER_LOGS, () => new Uint8Array());
    this.#logId = logId;
    this.writer?.putMeta('logId', () => new TextEncoder().encode(logId));
  }

  /** Stores how far a stream is. What has too long a name for every storage starts over after a restart. */
  putStreamState(identity: string, state: MetaSource): void {
    if (identity.length <= MAX_IDENTITY) this.writer?.putMeta(`${STREAM_PREFIX}${identity}`, state);
  }

  /** Goes on under another replica id, with a clock that has seen nothing. */
  startIncarnation(): void {
    this.#replicaClock = this.#newIncarnation();
  }

  /** Later operations follow these rows. */
  observe(rows: EntryBatch): void {
    for (let i = 0; i < rows.count; i++) {
      this.#replicaClock.observe(rows.ms[i] as number, rows.counters[i] as number);
    }
  }

  /**
   * Opens for the first time. `readSubject` is told who used the device last, null: nobody. While it answers null nothing is
   * opened: what is written until then belongs to whoever comes first.
   * @throws TopGunError STORAGE_FAILED
   */
  async open(content: AccountContent, readSubject: (last: string | null) => Promise<string | null>): Promise<void> {
    const device = await this.#store?.readDevice();
    // What is stored was made under the stored id; under another one the server would refuse it.
    const clientId = device?.clientId ?? this.#fixedClientId ?? this.#clientId;
    const subject = await readSubject(device?.subject ?? null);
    if (subject !== null) await this.#enter(content, clientId, subject);
    else this.#clientId = clientId;
  }

  /** Leaves the subject's replica and store, and opens those of `subject`. What is pending waits for its own. */
  async switchTo(subject: string, content: AccountContent): Promise<void> {
    if (this.#subject !== null) {
      await this.close();
      this.#parked.set(this.#subject, content.writes.log.clear());
      content.streams.forget();
      content.replica.clear();
      this.#logId = null;
    }
    await this.#enter(content, this.#clientId, subject);
  }

  async close(): Promise<void> {
    await this.#store?.close();
  }

  async #enter(content: AccountContent, clientId: string, subject: string): Promise<void> {
    const { writes, replica } = content;
    // What was written before carries the tag of nobody already, and there is nothing to load.
    const isUnchanged = subject === '' && this.#subject === null && clientId === this.#clientId;
    if (this.#store === null && isUnchanged) {
      this.#subject = subject;
      return;
    }
    this.#clientId = clientId;
    this.#subject = subject;
    this.#replicaClock = this.#newIncarnation();
    let stored: readonly PendingOp[] = [];
    try {
      if (this.#store !== null) stored = await this.#load(this.#store, content);
    } catch (error) {
      // Nobody is in yet: the next try starts from there.
      this.#subject = null;
      throw error;
    }
    // Operations that were made before it was known for whom, or before it was known what is stored, are made again on
    // top of that. All at once, so that nobody sees the replica without them.
    replica.hold();
    const early = writes.takeAll();
    for (const op of stored) writes.restore(op);
    writes.unpark(this.#parked.get(subject) ?? []);
    this.#parked.delete(subject);
    for (const op of early) writes.repeat(op);
    replica.release();
  }

  /** Returns the operations that are stored. */
  async #load(store: LocalStore, { replica, streams }: AccountContent): Promise<readonly PendingOp[]> {
    const subject = this.#subject ?? '';
    await store.writeDevice({ clientId: this.#clientId, subject });
    const { meta, ops } = await store.open(subject, (map, rows) => {
      this.observe(rows);
      replica.load(map, rows);
    });
    const states = new Map<string, Uint8Array>();
    for (const [name, value] of meta) {
      if (name.startsWith(STREAM_PREFIX)) states.set(name.slice(STREAM_PREFIX.length), value);
    }
    streams.restore(states);
    const logId = meta.get('logId');
    if (logId !== undefined) {
      this.#logId = new TextDecoder().decode(logId);
      if (!meta.has(OTHER_LOGS)) replica.standsIn(this.#logId);
    }
    return ops;
  }

  #newIncarnation(): ReplicaClock {
    const replica = `${this.#clientId}.${this.#runtime.id(8)}.${subjectTag(this.#subject ?? '')}`;
    return new ReplicaClock(replica, () => this.#clock.now());
  }
}
