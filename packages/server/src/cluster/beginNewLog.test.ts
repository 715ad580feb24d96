import { describe, expect, it } from 'vitest';
import { beginNewLog } from './beginNewLog.js';
import { clusterMapCodec, MAP_KEY } from './ClusterMap.js';
import { TestCluster } from './testing/TestCluster.js';

async function begin(test: TestCluster): Promise<unknown> {
  const tool = await opened(test);
  const done = beginNewLog(tool.cluster, test.time).catch((error: unknown) => error);
  await test.run(5_000);
  return done;
}

async function opened(test: TestCluster) {
  const backbone = test.cluster.backbone();
  const open = backbone.open();
  await test.run(10);
  await open;
  return backbone;
}

describe('a log that was restored from a backup', () => {
  it('has another id afterwards, in the same cluster, whose map begins another life with the epochs it had', async () => {
    const test = new TestCluster();
    await test.startAll(2);
    const before = await opened(test);
    const { map } = test;
    test.cluster.registry.watchers.clear();
    test.kill('n1');
    test.kill('n2');

    const result = await begin(test);
    const { clusterId } = before.cluster;
    expect(result).toMatchObject({ clusterId, formerLogId: before.log.logId });
    const after = await opened(test);
    expect(after.cluster.clusterId).toBe(clusterId);
    expect(after.log.logId).toBe((result as { logId: string }).logId);
    expect(after.log.logId).not.toBe(before.log.logId);
    const entry = await Promise.resolve(test.cluster.registry.get(MAP_KEY));
    const renewed = clusterMapCodec.decode(entry?.value ?? new Uint8Array());
    expect(renewed).toMatchObject({ epochs: map.epochs, owners: map.owners });
    expect(renewed?.incarnation).not.toBe(map.incarnation);
  });

  it.each(['up', 'stopped'] as const)('keeps its id while a node is %s', async (state) => {
    const test = new TestCluster();
    await test.startAll(1);
    const before = await opened(test);
    if (state === 'stopped') test.stop('n1');
    expect(await begin(test)).toMatchObject({ code: 'INVALID_VALUE' });
    expect((await opened(test)).log.logId).toBe(before.log.logId);
  });
});
