import type { EntryBatch, TopGunError } from '@topgunbuild/core';
import type { Identity } from '../auth/Authenticator.js';
import type { Stream, SubscribeSpec, WriteDone } from '../shard/DataPlane.js';
import type { Outbox } from './Outbox.js';

/** A session that wants data wherever it is. */
export interface RouteUser {
  readonly clientId: string;
  readonly identity: Identity;
  readonly outbox: Outbox;
  /** Takes the ops whose shards are this node's, after what only their owner can test. */
  writeHere(batch: EntryBatch, indexes: readonly number[] | null, done: WriteDone): void;
}

/** The data of all nodes as one session reaches it. */
export interface SessionRoutes {
  /** As `DataPlane.write`; but whatever shards the ops belong to, `done` names none as another node's. */
  write(batch: EntryBatch, indexes: readonly number[] | null, done: WriteDone): void;
  /**
   * Opens a stream of all owners together, into the user's outbox. `onFailed` is called at most once: the stream has ended
   * for good.
   * @throws TopGunError INVALID_QUERY
   */
  subscribe(spec: SubscribeSpec, onFailed: (error: TopGunError) => void): Stream;
  /** The same subject with other claims or another deadline. */
  renew(identity: Identity): void;
  /** The outbox has room again. */
  onDrain(): void;
  /** The session is over. */
  close(): void;
}

/** The way to the other nodes of a cluster. */
export interface Routing {
  open(user: RouteUser): SessionRoutes;
}
