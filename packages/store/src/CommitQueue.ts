import type { TopGunError } from '@topgunbuild/core';

/** Sets the row of `key` (1 to 1978 bytes) in `table`, or deletes it when `value` is null. */
export interface Change {
  readonly table: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

export interface CommitOptions {
  /** Commits of one lane build upon each other: when one fails, those queued behind it in its lane fail with it. */
  readonly lane?: number;
  /** Called when the commit has failed, before any promise reacts: nothing can be queued in between. */
  readonly onFailure?: () => void;
}

/** Writes `changes` in order as one durable transaction; or says why not, and has written nothing. */
export type WriteGroup = (changes: readonly Change[]) => Promise<TopGunError | null>;

interface Pending extends CommitOptions {
  readonly changes: readonly Change[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: TopGunError) => void;
  /** Was part of a group that the disk had no space for. */
  alone: boolean;
}

/** A group that is larger makes those behind it wait for long. */
const MAX_GROUP_BYTES = 8 * 1024 * 1024;

/**
 * Group commit: everything asked for in one turn of the event loop, or while a group is being written, becomes the next
 * group. One group is under way at a time, so each flush of the disk serves all who wait.
 *
 *   idle -- commit() --> gathering -- next turn --> writing -- queue empty --> idle
 *                            ^                          |
 *                            +------- queue filled -----+
 */
export class CommitQueue {
  readonly #write: WriteGroup;
  #state: 'idle' | 'gathering' | 'writing' = 'idle';
  #queue: Pending[] = [];
  #idleWaiters: (() => void)[] = [];

  constructor(write: WriteGroup) {
    this.#write = write;
  }

  commit(changes: readonly Change[], options: CommitOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...options, changes, bytes: bytesOf(changes), resolve, reject, alone: false });
      if (this.#state === 'idle') this.#gather();
    });
  }

  /** Resolves when nothing is queued or under way. */
  idle(): Promise<void> {
    if (this.#state === 'idle') return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  #gather(): void {
    this.#state = 'gathering';
    setImmediate(() => void this.#writeNext());
  }

  async #writeNext(): Promise<void> {
    this.#state = 'writing';
    const group = this.#takeGroup();
    const [only, ...others] = group;
    const changes = only !== undefined && others.length === 0 ? only.changes : group.flatMap((one) => one.changes);
    const error = await this.#write(changes);
    if (error === null) for (const one of group) one.resolve();
    else this.#fail(group, error);
    if (this.#queue.length > 0) {
      // In a later turn: those who were just answered may want to be in the next group.
      this.#gather();
      return;
    }
    this.#state = 'idle';
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #takeGroup(): Pending[] {
    let count = 0;
    let bytes = 0;
    for (const one of this.#queue) {
      if (count > 0 && (one.alone || bytes + one.bytes > MAX_GROUP_BYTES)) break;
      count += 1;
      bytes += one.bytes;
      if (one.alone) break;
    }
    return this.#queue.splice(0, count);
  }

  #fail(group: readonly Pending[], error: TopGunError): void {
    if (error.code === 'STORAGE_FULL' && group.length > 1) {
      // A large commit must not take with it small ones that fit, or deletions, which make space.
      for (const one of group) one.alone = true;
      this.#queue.unshift(...group);
      return;
    }
    const lanes = new Set(group.map((one) => one.lane).filter((lane) => lane !== undefined));
    const isLost = ({ lane }: Pending): boolean => lane !== undefined && lanes.has(lane);
    const lost = [...group, ...this.#queue.filter(isLost)];
    this.#queue = this.#queue.filter((one) => !isLost(one));
    for (const one of lost) one.onFailure?.();
    for (const one of lost) one.reject(error);
  }
}

function bytesOf(changes: readonly Change[]): number {
  let bytes = 0;
  for (const { key, value } of changes) bytes += key.length + (value?.length ?? 0);
  return bytes;
}
