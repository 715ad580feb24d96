import { createServer, type TopGunNode } from '@topgunbuild/server';
import { answer } from '../harness/answer.js';
import { clock, memoryInUse } from '../harness/sample.js';

/** A node that never says "too fast": what is measured is the node, not its limits. */
let node: TopGunNode | null = null;

const role = {
  /** Keeps its data in `path`; null = in memory. */
  async start(path: string | null): Promise<{ readonly url: string; readonly ms: number }> {
    const before = clock();
    node = await createServer({
      port: 0,
      auth: 'none',
      backbone: path === null ? { type: 'memory' } : { type: 'embedded', path },
      limits: { maxOpsPerSecond: 1_000_000_000 },
    }).start();
    return { url: node.url, ms: clock() - before };
  },
  async stop(): Promise<void> {
    await node?.stop();
  },
  memory: memoryInUse,
};

export type NodeRole = typeof role;
answer(role);
