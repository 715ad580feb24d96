import { describe, expect, it } from 'vitest';
import { MemoryCluster } from '../backbone/MemoryCluster.js';
import { TestRuntime } from '../testing/TestRuntime.js';
import { type ClusterMap, clusterMapCodec, MAP_KEY } from './ClusterMap.js';
import { ClusterMembership } from './ClusterMembership.js';
import { nodeKey, registrationCodec } from './Registration.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('ClusterMembership', () => {
  it('begins with the latest map when two come at once', async () => {
    const runtime = new TestRuntime();
    const cluster = new MemoryCluster({ runtime, shardCount: 1 });
    const backbone = cluster.backbone();
    await backbone.open();
    const host = { setRoles: () => undefined, hosting: () => [] };
    const clusterId = backbone.log.logId;
    const about = { nodeId: 'a', endpoint: 'ws://a', ports: backbone.cluster, host, runtime, clusterId, shardCount: 1 };
    const joining = ClusterMembership.join(about);
    for (let i = 0; i < 5; i++) await turn();
    const registered = registrationCodec.decode(cluster.registry.get(nodeKey('a'))?.value ?? new Uint8Array());
    const node = { id: 'a', boot: registered?.boot ?? '', endpoint: 'ws://a' };
    const map: ClusterMap = {
      ...{ clusterId, incarnation: 'i', version: 1, shardCount: 1 },
      ...{ nodes: [node], owners: [0], epochs: [1], standbys: [[]] },
    };
    const revision = cluster.registry.set(MAP_KEY, clusterMapCodec.encode(map), 0);
    cluster.registry.set(MAP_KEY, clusterMapCodec.encode({ ...map, version: 2 }), revision ?? 0);
    const member = await joining;
    expect(member.map.version).toBe(2);
    member.close();
  });
});
