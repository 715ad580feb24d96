/** One node in the answer of `GET /cluster`. Null: the node that answered does not know it of this one. */
export interface NodeRow {
  readonly id: string;
  readonly endpoint: string;
  readonly partitions: number;
  readonly shards: number;
  /** Shards that it follows, to take them over. */
  readonly standbys: number;
  /** Log records that it has still to apply. */
  readonly lag: number | null;
  readonly ready: boolean | null;
  /** Why it is not ready, or why that is not known. */
  readonly problem: string | null;
  readonly sessions: number | null;
  readonly records: number | null;
}

export interface Cluster {
  readonly clusterId: string;
  readonly mapVersion: number;
  readonly partitionCount: number;
  /** Null: not told. */
  readonly shardCount: number | null;
  readonly leader: string | null;
  /** The node that answered. */
  readonly self: string | null;
  readonly nodes: readonly NodeRow[];
  /** By partition; null = nobody. */
  readonly owners: readonly (string | null)[];
  /** By shard. */
  readonly epochs: readonly number[];
  /** By shard. */
  readonly standbys: readonly (readonly unknown[])[];
}

type Json = Readonly<Record<string, unknown>>;

/** The answer of `GET /cluster`, with whatever else it tells; null when it is something else. */
export function readCluster(body: string): Cluster | null {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    return null;
  }
  if (!isRecord(answer) || typeof answer.mapVersion !== 'number' || !Array.isArray(answer.nodes)) return null;
  const { clusterId = '', partitionCount = 0 } = answer;
  return {
    ...answer,
    clusterId: String(clusterId),
    mapVersion: answer.mapVersion,
    partitionCount: Number(partitionCount),
    shardCount: numberOf(answer.shardCount),
    leader: textOf(answer.leader),
    self: textOf(answer.self),
    nodes: answer.nodes.filter(isRecord).map(readNode),
    owners: listOf(answer.owners).map(textOf),
    epochs: listOf(answer.epochs).map(Number),
    standbys: listOf(answer.standbys).map(listOf),
  };
}

function readNode(row: Json): NodeRow {
  return {
    ...row,
    id: String(row.id),
    endpoint: String(row.endpoint),
    partitions: numberOf(row.partitions) ?? 0,
    shards: numberOf(row.shards) ?? 0,
    standbys: numberOf(row.standbys) ?? 0,
    lag: numberOf(row.lag),
    ready: typeof row.ready === 'boolean' ? row.ready : null,
    problem: textOf(row.problem),
    sessions: numberOf(row.sessions),
    records: numberOf(row.records),
  };
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
