import { TopGunError } from '@topgunbuild/core';
import type {
  AppendResult,
  Backbone,
  Log,
  LogRecord,
  Snapshot,
} from '../../../packages/server/src/backbone/Backbone.js';
import type { Random } from '../kernel/Random.js';
import type { SimProcess } from '../kernel/SimProcess.js';
import type { VirtualTime } from '../kernel/VirtualTime.js';
import type { Faults } from './Faults.js';

interface ShardFiles {
  head: number;
  records: LogRecord[];
  snapshot: Snapshot | null;
}

interface Pending {
  readonly process: SimProcess;
  apply: (() => void) | null;
}

/** What a node keeps: it outlives every process, and loses nothing that it has confirmed. */
export class ServerDisk {
  logId: string;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #faults: Faults;
  #shards = new Map<number, ShardFiles>();
  /** Changes under way, whose fate a crash leaves open. */
  readonly #pending = new Set<Pending>();

  constructor(time: VirtualTime, random: Random, faults: Faults) {
    this.#time = time;
    this.#random = random;
    this.#faults = faults;
    this.logId = `log-${random.id(6)}`;
  }

  /** The disk as the process that opens it sees it. */
  backbone(process: SimProcess): Backbone {
    return {
      type: 'simulated',
      cluster: null,
      problem: null,
      log: new SimLog(this, process),
      open: () => process.after(1),
      close: () => process.after(0),
    };
  }

  /** The process has died: what it had under way is on the disk, or is not. */
  crash(process: SimProcess): void {
    for (const pending of this.#pending) {
      if (pending.process !== process) continue;
      this.#pending.delete(pending);
      if (this.#random.chance(0.5)) pending.apply?.();
      pending.apply = null;
    }
  }

  /** A copy for the safe. */
  backup(): ReadonlyMap<number, ShardFiles> {
    const copy = new Map<number, ShardFiles>();
    for (const [shard, files] of this.#shards) copy.set(shard, { ...files, records: [...files.records] });
    return copy;
  }

  /** The content of a backup takes the place of what there was, under another log id, as an operator has to see to. */
  restore(backup: ReadonlyMap<number, ShardFiles>): void {
    this.#shards = new Map(backup);
    this.logId = `log-${this.#random.id(6)}`;
  }

  files(shard: number): ShardFiles {
    let files = this.#shards.get(shard);
    if (files === undefined) {
      files = { head: 0, records: [], snapshot: null };
      this.#shards.set(shard, files);
    }
    return files;
  }

  /** Does `apply` to the disk after the time that it takes, with the faults that are on. */
  async change<T>(process: SimProcess, apply: () => T): Promise<T> {
    const delay = this.#faults.diskDelay(this.#random);
    const fate = this.#faults.appendFate(this.#random);
    let result: T | undefined;
    const pending: Pending = {
      process,
      apply:
        fate === 'full' || fate === 'fails'
          ? null
          : () => {
              result = apply();
            },
    };
    this.#pending.add(pending);
    await process.after(delay);
    if (!this.#pending.delete(pending)) return new Promise<T>(() => {});
    pending.apply?.();
    if (fate === 'full') throw new TopGunError('STORAGE_FULL', 'simulated: the disk is full');
    if (fate !== 'works') {
      // Whatever was written, the answer is an error, and may take its time.
      await process.after(this.#random.chance(0.3) ? this.#random.between(0, 5_000) : 0);
      throw new TopGunError('STORAGE_FAILED', 'simulated: the disk does not answer');
    }
    return result as T;
  }

  async look<T>(process: SimProcess, look: () => T): Promise<T> {
    await process.after(this.#faults.diskDelay(this.#random) / 2);
    if (this.#faults.readFails(this.#random))
      throw new TopGunError('STORAGE_FAILED', 'simulated: the disk does not answer');
    return look();
  }

  get now(): number {
    return this.#time.now;
  }
}

class SimLog implements Log {
  readonly #disk: ServerDisk;
  readonly #process: SimProcess;

  constructor(disk: ServerDisk, process: SimProcess) {
    this.#disk = disk;
    this.#process = process;
  }

  get logId(): string {
    return this.#disk.logId;
  }

  append(shard: number, bytes: Uint8Array, expectedSeq: number): Promise<AppendResult> {
    return this.#disk.change(this.#process, () => {
      const files = this.#disk.files(shard);
      if (files.head !== expectedSeq) return { status: 'fenced' };
      files.head++;
      // Copied only now: whoever changes the bytes before the record is durable spoils the record.
      files.records.push({ seq: files.head, prev: expectedSeq, bytes: bytes.slice() });
      return { status: 'appended', seq: files.head };
    });
  }

  head(shard: number): Promise<number> {
    return this.#disk.look(this.#process, () => this.#disk.files(shard).head);
  }

  async *read(shard: number, fromSeq: number): AsyncIterable<LogRecord> {
    const records = await this.#disk.look(this.#process, () => [...this.#disk.files(shard).records]);
    for (const { seq, prev, bytes } of records) if (seq > fromSeq) yield { seq, prev, bytes: bytes.slice() };
  }

  saveSnapshot(shard: number, snapshot: Snapshot): Promise<void> {
    return this.#disk.change(this.#process, () => {
      this.#disk.files(shard).snapshot = { seq: snapshot.seq, chunks: snapshot.chunks.map((chunk) => chunk.slice()) };
    });
  }

  loadSnapshot(shard: number): Promise<Snapshot | null> {
    return this.#disk.look(this.#process, () => {
      const { snapshot } = this.#disk.files(shard);
      return snapshot && { seq: snapshot.seq, chunks: snapshot.chunks.map((chunk) => chunk.slice()) };
    });
  }

  trim(shard: number, upToSeq: number): Promise<void> {
    return this.#disk.change(this.#process, () => {
      const files = this.#disk.files(shard);
      files.records = files.records.filter(({ seq }) => seq > upToSeq || seq === files.head);
    });
  }
}
