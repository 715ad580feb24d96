/** One node in the answer of `GET /cluster`. */
export interface NodeRow {
  readonly id: string;
  readonly endpoint: string;
  readonly partitions: number;
  readonly shards: number;
  readonly lag: number;
  readonly ready: boolean;
  readonly sessions: number;
  readonly records: number;
}

export interface Cluster {
  readonly clusterId: string;
  readonly mapVersion: number;
  readonly partitionCount: number;
  /** Null: not told. */
  readonly shardCount: number | null;
  readonly nodes: readonly NodeRow[];
}

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
    shardCount: typeof answer.shardCount === 'number' ? answer.shardCount : null,
    nodes: answer.nodes.filter(isRecord).map(readNode),
  };
}

function readNode(row: Readonly<Record<string, unknown>>): NodeRow {
  const number = (name: string): number => (typeof row[name] === 'number' ? row[name] : 0);
  return {
    ...row,
    id: String(row.id),
    endpoint: String(row.endpoint),
    partitions: number('partitions'),
    shards: number('shards'),
    lag: number('lag'),
    ready: row.ready === true,
    sessions: number('sessions'),
    records: number('records'),
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
