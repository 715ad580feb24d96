/** Times of the cluster's control, ms. */
export interface ClusterTiming {
  /** How often time is looked at. */
  readonly tickMs: number;
  readonly probeEveryMs: number;
  /** A probe that is not answered by then was lost: two in a row are the silence that a node is given up for. */
  readonly probeTimeoutMs: number;
  /** Nobody serves a node's probes: asked again after this long, then believed. */
  readonly confirmMs: number;
  readonly renewEveryMs: number;
  /** A lease that did not change for this long, by the watcher's own clock, may be taken. */
  readonly leaseMs: number;
  /** Between two who would take the lease: the one of lower rank waits this much longer. */
  readonly rankDelayMs: number;
  /** A new leader hears everybody before it decides, but waits no longer than this. */
  readonly gatherMs: number;
  /** While nobody serves anything, nodes that start together are awaited: until no more came for this long ... */
  readonly settleMs: number;
  /** ... or at most this long. */
  readonly settleMaxMs: number;
  /** A node whose own time had a gap as long as this was away: what it believed of others is void. */
  readonly awayMs: number;
  /** After the bus broke, others may take this long to come back to it as well. */
  readonly reconnectMs: number;
  /** What failed at the registry is tried again after this long. */
  readonly retryMs: number;
}

export const DEFAULT_CLUSTER_TIMING: ClusterTiming = {
  tickMs: 25,
  probeEveryMs: 200,
  probeTimeoutMs: 500,
  confirmMs: 100,
  renewEveryMs: 500,
  leaseMs: 1_500,
  rankDelayMs: 20,
  gatherMs: 150,
  settleMs: 300,
  settleMaxMs: 1_000,
  awayMs: 500,
  reconnectMs: 3_000,
  retryMs: 250,
};
