export { type BreakerState, type BreakerTimes, CircuitBreaker } from './CircuitBreaker.js';
export { ClusterClient, type ClusterClientOptions, type ClusterStats } from './ClusterClient.js';
export type { ClusterOptions } from './ClusterOptions.js';
export { ConnectionPool, type ConnectionPoolOptions, type NodeHealth, type PoolEvent } from './ConnectionPool.js';
export {
  type KeyOwner,
  type MapVerdict,
  PartitionRouter,
  type Reachability,
  type Route,
  type RoutingMetrics,
} from './PartitionRouter.js';
export type { PooledConnection, PoolNode } from './PoolNode.js';
