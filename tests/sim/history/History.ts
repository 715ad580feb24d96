import type { ErrorCode } from '@topgunbuild/core';
import { WireLog } from './WireLog.js';

export type Action = 'set' | 'remove' | 'add' | 'drop' | 'count';

/** One write that an application made, and what it was told of it. */
export interface WriteRecord {
  /** The client, over all its processes. */
  readonly client: string;
  /** Which of its processes. */
  readonly life: number;
  /** Counts the client's writes. */
  readonly number: number;
  readonly map: string;
  readonly key: string;
  readonly action: Action;
  /** The id inside the value; of a removal its own. */
  readonly id: string;
  readonly delta: number;
  readonly ttl: boolean;
  persisted: boolean;
  acked: boolean;
  rejected: ErrorCode | null;
  /** Its process died without an answer. */
  orphaned: boolean;
}

/** What an application saw under a key, each time that it was something else than before. Null: nothing. */
export interface Sighting {
  readonly at: number;
  readonly id: string | null;
}

export interface Violation {
  /** Number of the promise in the list of guarantees, or a word for what goes without saying. */
  readonly promise: string;
  readonly what: string;
}

/** Everything that was asked, answered and seen in a run. */
export class History {
  readonly writes: WriteRecord[] = [];
  readonly wire: WireLog;
  readonly violations: Violation[] = [];
  /** By reader (client, life, map, key). */
  readonly sightings = new Map<string, Sighting[]>();
  /** Ids of messages published to topics. */
  readonly published = new Set<string>();
  /** Removals that a server refused, by client and key. */
  readonly refusedRemovals = new Set<string>();
  readonly rejectedIds = new Set<string>();
  restores = 0;

  constructor() {
    this.wire = new WireLog((promise, what) => this.violate(promise, what));
  }

  violate(promise: string, what: string): void {
    if (this.violations.length < 20) this.violations.push({ promise, what });
  }

  see(reader: string, at: number, id: string | null): void {
    const seen = this.sightings.get(reader);
    if (seen === undefined) this.sightings.set(reader, [{ at, id }]);
    else if (seen.at(-1)?.id !== id) seen.push({ at, id });
  }
}
