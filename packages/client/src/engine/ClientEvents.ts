import type { TopGunError } from '@topgunbuild/core';

/**
 * local: no server was configured · offline: none is reached, and none is being tried right now · connecting ·
 * online · closed
 */
export type ClientStatus = 'local' | 'offline' | 'connecting' | 'online' | 'closed';

/** A write that the server refused for good. It was undone here; its value is handed back. */
export interface WriteRejection {
  readonly opId: string;
  readonly map: string;
  readonly key: string;
  readonly operation: 'set' | 'remove' | 'add' | 'count';
  /** What was to be written: the value or element; for `count` the refused totals; undefined for removals. */
  readonly value: unknown;
  readonly error: TopGunError;
}

export type NodeChange =
  | { readonly type: 'connected'; readonly nodeId: string }
  | { readonly type: 'lost'; readonly nodeId: string; readonly reason: string };

export type ClientEvents = {
  readonly status: ClientStatus;
  readonly 'write-rejected': WriteRejection;
  /** The server refuses the token. Nothing is tried until `setAuthToken`. */
  readonly 'auth-failed': TopGunError;
  readonly 'partition-map': { readonly version: number };
  readonly node: NodeChange;
  /** Something failed that no call of the application is waiting for. */
  readonly error: TopGunError;
};
