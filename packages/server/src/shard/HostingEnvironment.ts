import type { LogTails } from '../backbone/Backbone.js';
import type { NodeClock } from './NodeClock.js';
import type { RestoreSlots } from './RestoreSlots.js';
import type { ShardStore } from './ShardStore.js';
import type { WriterEnvironment } from './ShardWriter.js';

/** What all hosted shards of a node share. */
export interface HostingEnvironment extends WriterEnvironment {
  readonly nodeId: string;
  readonly shardCount: number;
  /** Null: the node is alone, and nobody else writes. */
  tails(): LogTails | null;
  readonly slots: RestoreSlots;
  readonly clock: NodeClock;
  /** Whether the node serves any shard. */
  isServing(): boolean;
  /** An empty store. */
  createStore(shard: number): ShardStore;
}
