import { describe, expect, it } from 'vitest';
import { ownerOfPartition, type PartitionMap, partitionsPerNode } from './PartitionMap.js';
import { PARTITION_COUNT } from './partition.js';

const map: PartitionMap = {
  clusterId: 'c',
  incarnation: 'i',
  version: 3,
  shardCount: 3,
  nodes: [
    { id: 'n1', endpoint: 'ws://n1' },
    { id: 'n2', endpoint: 'ws://n2' },
  ],
  owners: [1, 0, -1],
  epochs: [1, 1, 0],
};

describe('PartitionMap', () => {
  it('names the owner of a partition by its shard', () => {
    expect(ownerOfPartition(map, 0)?.id).toBe('n2');
    expect(ownerOfPartition(map, 4)?.id).toBe('n1');
  });

  it('has no owner for a shard that nobody owns', () => {
    expect(ownerOfPartition(map, 2)).toBeNull();
  });

  it('has no owner where it names a node that it does not list', () => {
    expect(ownerOfPartition({ ...map, owners: [7, 7, 7] }, 0)).toBeNull();
  });

  it('counts the partitions of each node, and none for shards without owner', () => {
    const [first, second] = partitionsPerNode(map);
    expect(first).toBe(90);
    expect(second).toBe(91);
    expect(partitionsPerNode({ ...map, owners: [0, 0, 0] })).toEqual([PARTITION_COUNT, 0]);
  });
});
