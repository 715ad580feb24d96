/** What happened to a shard at this node since its start, whoever served it in between. */
export class ShardCounts {
  appends = 0;
  /** Log records that were refused because another node had taken the shard over. */
  appendsFenced = 0;
  opsApplied = 0;
  opsSuperseded = 0;
  opsRejected = 0;
  /** Times that this node began to serve the shard in place of another. */
  takeovers = 0;
  /** How long the last of them took, from being told to serving. */
  lastTakeoverMs: number | null = null;
}
