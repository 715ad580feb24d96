/** What a node is to be for a shard. An owner's epoch is the one that the map of the cluster gives it. */
export type Role =
  | { readonly name: 'none' }
  | { readonly name: 'standby' }
  | { readonly name: 'owner'; readonly epoch: number };

/** How far a node is with a shard. */
export interface HostingState {
  readonly state: string;
  /** 0 = holds nothing, or restores; 1 = follows the log, and could take over at once; 2 = serves. */
  readonly readiness: 0 | 1 | 2;
  /** The highest epoch that the shard's log is known to have had; 0 = none yet. */
  readonly epoch: number;
  /** Sequence of the last log record that was applied. */
  readonly appliedSeq: number;
}

/** Where a cluster's control tells a node what to host. */
export interface ShardHost {
  /** By shard. The latest call counts; what it asks for comes about by itself, one change at a time per shard. */
  setRoles(roles: readonly Role[]): void;
  /** By shard. */
  hosting(): readonly HostingState[];
}
