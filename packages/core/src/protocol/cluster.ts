import { TopGunError } from '../errors.js';
import type { PartitionMap } from '../partition/PartitionMap.js';
import { PARTITION_COUNT } from '../partition/partition.js';
import type { FieldReader } from './FieldReader.js';
import type { MessageCodecs } from './MessageCodec.js';

/*
 * The partition map tells which node owns which shard. It comes with AUTH_ACK when the client's is behind, and on
 * request: PARTITION_MAP_REQUEST names the version that the client holds.
 */
export const clusterCodecs: MessageCodecs<'PARTITION_MAP_REQUEST' | 'PARTITION_MAP'> = {
  PARTITION_MAP_REQUEST: {
    fields: (m) => [m.version],
    read: (f) => ({ type: 'PARTITION_MAP_REQUEST', version: f.uint('version') }),
  },
  PARTITION_MAP: {
    fields: (m) => [writePartitionMap(m.map)],
    read: (f) => ({ type: 'PARTITION_MAP', map: f.group('map', readPartitionMap) }),
  },
};

export function writePartitionMap(map: PartitionMap): unknown[] {
  const nodes = map.nodes.map((node) => [node.id, node.endpoint]);
  // An owner of -1 (nobody) travels as 0, so the others are one more than their index.
  const owners = map.owners.map((owner) => owner + 1);
  return [map.clusterId, map.incarnation, map.version, map.shardCount, nodes, owners, map.epochs];
}

/** @throws TopGunError BAD_FRAME for a map that contradicts itself. */
export function readPartitionMap(fields: FieldReader): PartitionMap {
  const map = {
    clusterId: fields.text('clusterId'),
    incarnation: fields.text('incarnation'),
    version: fields.uint('version'),
    shardCount: fields.uint('shardCount', PARTITION_COUNT),
    nodes: fields.list('nodes', MAX_NODES, (node) => ({ id: node.text('id'), endpoint: node.text('endpoint') })),
    owners: fields.uints('owners', PARTITION_COUNT).map((owner) => owner - 1),
    epochs: fields.uints('epochs', PARTITION_COUNT),
  };
  const consistent =
    map.shardCount > 0 &&
    map.owners.length === map.shardCount &&
    map.epochs.length === map.shardCount &&
    map.owners.every((owner) => owner < map.nodes.length);
  if (!consistent) throw new TopGunError('BAD_FRAME', 'The partition map contradicts itself.');
  return map;
}

const MAX_NODES = 10_000;
