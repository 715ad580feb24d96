import type { Limits, PartitionMap, Runtime } from '@topgunbuild/core';
import type { Authenticator } from '../auth/Authenticator.js';
import type { Logger } from '../Logger.js';
import type { Counters } from '../metrics/Counters.js';
import type { Permissions } from '../permissions/Permissions.js';
import type { RowGuard } from '../permissions/RowGuard.js';
import type { DataPlane } from '../shard/DataPlane.js';
import type { TopicHub } from '../topic/TopicHub.js';
import type { ClusterView } from './ClusterView.js';
import type { RateLimiter } from './RateLimiter.js';
import type { Routing } from './Routing.js';

/** What the sessions of a node share. */
export interface SessionPorts {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly runtime: Runtime;
  readonly limits: Limits;
  /** What this node owns. */
  readonly plane: DataPlane;
  readonly authenticator: Authenticator;
  readonly permissions: Permissions;
  readonly topics: TopicHub;
  readonly rates: RateLimiter;
  readonly rowGuard: RowGuard;
  readonly counters: Counters;
  readonly logger: Logger;
  partitionMap(): PartitionMap;
  /** Null: the node is alone, and owns everything. */
  readonly cluster: ClusterView | null;
  /** The way to what others own. Null: the node is alone, or these sessions are those of another node's clients. */
  readonly routing: Routing | null;
  /** How many streams one live query of a client may take here. More than one where other nodes ask for its parts. */
  readonly streamsPerQuery: number;
}
