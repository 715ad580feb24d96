import { type BackboneOptions, createServer, type TopGunNode } from '@topgunbuild/server';
import { answer } from '../harness/answer.js';
import { clock, memoryInUse } from '../harness/sample.js';

/** A node that never says "too fast": what is measured is the node, not its limits. */
let node: TopGunNode | null = null;

const role = {
  /** Keeps its data in `path`; null = in memory. */
  async start(path: string | null): Promise<{ readonly url: string; readonly ms: number }> {
    const before = clock();
    const { url } = await startNode(path === null ? { type: 'memory' } : { type: 'embedded', path });
    return { url, ms: clock() - before };
  },
  /** As one of the nodes of a cluster; `backups` nodes follow each shard. */
  async join(servers: string, cluster: string, nodeId: string, backups: number): Promise<string> {
    return (await startNode({ type: 'nats', servers, cluster, backups }, nodeId)).url;
  },
  async stop(): Promise<void> {
    await node?.stop();
  },
  memory: memoryInUse,
};

async function startNode(backbone: BackboneOptions, nodeId?: string): Promise<TopGunNode> {
  node = await createServer({
    port: 0,
    auth: 'none',
    nodeId,
    backbone,
    limits: { maxOpsPerSecond: 1_000_000_000 },
  }).start();
  return node;
}

export type NodeRole = typeof role;
answer(role);
