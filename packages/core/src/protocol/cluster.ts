import { TopGunError } from '../errors.js';
import { MAX_MAP_NODES, type MapDelta } from '../partition/mapDelta.js';
import type { NodeInfo, PartitionMap } from '../partition/PartitionMap.js';
import { PARTITION_COUNT } from '../partition/partition.js';
import type { FieldReader } from './FieldReader.js';
import type { MessageCodecs } from './MessageCodec.js';

/*
 * The partition map tells which node owns which shard. It comes with AUTH_ACK, on request (PARTITION_MAP_REQUEST names
 * the version that the client holds), and unasked to every session whenever it changes: whole, or as a delta against a
 * version that the session was sent. A client that does not hold `base` of that incarnation asks for the whole map.
 */
export const clusterCodecs: MessageCodecs<'PARTITION_MAP_REQUEST' | 'PARTITION_MAP' | 'PARTITION_MAP_DELTA'> = {
  PARTITION_MAP_REQUEST: {
    fields: (m) => [m.version],
    read: (f) => ({ type: 'PARTITION_MAP_REQUEST', version: f.uint('version') }),
  },
  PARTITION_MAP: {
    fields: (m) => [writePartitionMap(m.map)],
    read: (f) => ({ type: 'PARTITION_MAP', map: f.group('map', readPartitionMap) }),
  },
  PARTITION_MAP_DELTA: {
    fields: (m) => [
      m.delta.incarnation,
      m.delta.base,
      m.delta.version,
      writeNodes(m.delta.nodes),
      m.delta.changes.map(plusOwner),
    ],
    read: (f) => ({ type: 'PARTITION_MAP_DELTA', delta: readDelta(f) }),
  },
};

/** An owner of -1 (nobody) travels as 0, so the others are one more than their index. */
function plusOwner(field: number, index: number): number {
  return index % 3 === 1 ? field + 1 : field;
}

function readDelta(fields: FieldReader): MapDelta {
  const incarnation = fields.text('incarnation');
  const base = fields.uint('base');
  const version = fields.uint('version');
  const nodes = readNodes(fields);
  const changes = fields.uints('changes', PARTITION_COUNT * 3);
  for (let i = 1; i < changes.length; i += 3) changes[i] = (changes[i] as number) - 1;
  const isSound = changes.length % 3 === 0 && changes.every((field, i) => i % 3 !== 0 || field < PARTITION_COUNT);
  if (!isSound) throw new TopGunError('BAD_FRAME', 'The change of the partition map is not made of triples.');
  return { incarnation, base, version, nodes, changes };
}

function writeNodes(nodes: readonly NodeInfo[]): unknown[] {
  return nodes.map((node) => [node.id, node.endpoint]);
}

function readNodes(fields: FieldReader): NodeInfo[] {
  return fields.list('nodes', MAX_MAP_NODES, (node) => ({ id: node.text('id'), endpoint: node.text('endpoint') }));
}

export function writePartitionMap(map: PartitionMap): unknown[] {
  const owners = map.owners.map((owner) => owner + 1);
  return [map.clusterId, map.incarnation, map.version, map.shardCount, writeNodes(map.nodes), owners, map.epochs];
}

/** @throws TopGunError BAD_FRAME for a map that contradicts itself. */
export function readPartitionMap(fields: FieldReader): PartitionMap {
  const map = {
    clusterId: fields.text('clusterId'),
    incarnation: fields.text('incarnation'),
    version: fields.uint('version'),
    shardCount: fields.uint('shardCount', PARTITION_COUNT),
    nodes: readNodes(fields),
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
