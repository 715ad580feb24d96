import type { Limits, PartitionMap, Runtime } from '@topgunbuild/core';
import type { Authenticator } from '../auth/Authenticator.js';
import type { Logger } from '../Logger.js';
import type { Counters } from '../metrics/Counters.js';
import type { Permissions } from '../permissions/Permissions.js';
import type { RowGuard } from '../permissions/RowGuard.js';
import type { DataPlane } from '../shard/DataPlane.js';
import type { TopicHub } from '../topic/TopicHub.js';
import type { RateLimiter } from './RateLimiter.js';

/** What the sessions of a node share. */
export interface SessionPorts {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly runtime: Runtime;
  readonly limits: Limits;
  readonly plane: DataPlane;
  readonly authenticator: Authenticator;
  readonly permissions: Permissions;
  readonly topics: TopicHub;
  readonly rates: RateLimiter;
  readonly rowGuard: RowGuard;
  readonly counters: Counters;
  readonly logger: Logger;
  partitionMap(): PartitionMap;
}
