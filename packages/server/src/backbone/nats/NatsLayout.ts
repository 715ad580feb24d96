import { TopGunError } from '@topgunbuild/core';

const NAME = /^[A-Za-z0-9_-]{1,32}$/;
/** One stream would be a bottleneck, and one for each shard a waste. */
const MAX_LOG_STREAMS = 8;

/** What a cluster's streams and subjects are called. */
export class NatsLayout {
  readonly #cluster: string;
  readonly #shardCount: number;
  readonly #logStreams: number;

  /** @throws TopGunError INVALID_VALUE when the name cannot be part of a subject */
  constructor(cluster: string, shardCount: number) {
    if (!NAME.test(cluster)) {
      throw new TopGunError('INVALID_VALUE', 'A cluster name has 1 to 32 characters of A-Z, a-z, 0-9, - and _.');
    }
    this.#cluster = cluster;
    this.#shardCount = shardCount;
    this.#logStreams = Math.min(MAX_LOG_STREAMS, shardCount);
  }

  get logStreams(): number {
    return this.#logStreams;
  }

  logStream(shard: number): string {
    return `TG_${this.#cluster}_LOG_${shard % this.#logStreams}`;
  }

  /** The other shards whose logs are in the same stream. */
  shardsBeside(shard: number): number[] {
    const all = Array.from({ length: this.#shardCount }, (_, other) => other);
    return all.filter((other) => other !== shard && this.logStream(other) === this.logStream(shard));
  }

  logSubject(shard: number): string {
    return `tg.${this.#cluster}.log.${shard}`;
  }

  get snapshotStream(): string {
    return `TG_${this.#cluster}_SNAPSHOTS`;
  }

  /** The message that tells which snapshot of the shard is the valid one. */
  snapshotSubject(shard: number): string {
    return `tg.${this.#cluster}.snapshot.${shard}`;
  }

  /** A part of a snapshot; `*` for all of them. */
  partSubject(shard: number, generation: string, part: number | '*'): string {
    return `tg.${this.#cluster}.snapshot.${shard}.${generation}.${part}`;
  }

  /** Subjects of the two kinds. */
  get snapshotSubjects(): string[] {
    return [`tg.${this.#cluster}.snapshot.*`, `tg.${this.#cluster}.snapshot.*.*.*`];
  }

  /** Laid out as a bucket of NATS's key-value store, so that its tools can read it. */
  get registryStream(): string {
    return `KV_TG_${this.#cluster}`;
  }

  /** The prefix of keys. */
  get registrySubject(): string {
    return `$KV.TG_${this.#cluster}.`;
  }

  busSubject(subject: string): string {
    return `tg.${this.#cluster}.bus.${subject}`;
  }
}
