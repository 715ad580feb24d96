import type { AckServerRole } from '../opponents/ackServer.js';
import type { SinkName } from '../opponents/ackSinks.js';
import type { RelayRole } from '../opponents/relay.js';
import type { YjsServerRole } from '../opponents/yjsServer.js';
import type { NodeRole } from '../processes/node.js';
import type { Role } from './answer.js';
import type { BenchContext } from './Bench.js';
import { Child } from './Child.js';

export interface Server<R extends Role> {
  readonly url: string;
  readonly child: Child<R>;
}

const GC = ['--expose-gc'];

/** A TopGun node in a process of its own, in memory or on disk. */
export async function startNode(context: BenchContext, backbone: 'memory' | 'embedded'): Promise<Server<NodeRole>> {
  const child = new Child<NodeRole>(new URL('../processes/node.ts', import.meta.url), GC);
  const { url } = await child.call('start', backbone === 'memory' ? null : await context.directory());
  return { url, child };
}

export async function startRelay(): Promise<Server<RelayRole>> {
  const child = new Child<RelayRole>(new URL('../opponents/relay.ts', import.meta.url));
  return { url: await child.call('start'), child };
}

export async function startYjs(): Promise<Server<YjsServerRole>> {
  const child = new Child<YjsServerRole>(new URL('../opponents/yjsServer.ts', import.meta.url), GC);
  return { url: await child.call('start'), child };
}

export async function startAckServer(
  context: BenchContext,
  sink: SinkName,
  opsPerFrame = 1,
): Promise<Server<AckServerRole>> {
  const child = new Child<AckServerRole>(new URL('../opponents/ackServer.ts', import.meta.url));
  return { url: await child.call('start', sink, await context.directory(), opsPerFrame), child };
}
