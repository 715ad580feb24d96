import type { Bench } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { compare } from '../harness/format.js';
import { median } from '../harness/rounds.js';
import { startNode, startRelay, startYjs } from '../harness/servers.js';
import type { PeerKind } from '../peers/Peer.js';
import type { PairRole } from '../processes/pair.js';

export const propagation: Bench = {
  name: 'propagation',
  about:
    'From one client’s `set` until another client’s listener sees it, one write at a time on an idle server. Both clients live in one process, the server in another. Durable: the other client sees only what is flushed.',
  async run(context) {
    const { rounds, scale } = context;
    const pair = new Child<PairRole>(new URL('../processes/pair.ts', import.meta.url));
    const [memory, durable, relay, yjs] = await Promise.all([
      startNode(context, 'memory'),
      startNode(context, 'embedded'),
      startRelay(),
      startYjs(),
    ]);
    const candidates: readonly { readonly name: string; readonly kind: PeerKind; readonly url: string }[] = [
      { name: 'memory', kind: 'topgun', url: memory.url },
      { name: 'durable', kind: 'topgun', url: durable.url },
      { name: 'relay', kind: 'relay', url: relay.url },
      { name: 'yjs', kind: 'yjs', url: yjs.url },
    ];
    const p50s = new Map<string, number[]>(candidates.map(({ name }) => [name, []]));
    const p99s = new Map<string, number[]>(candidates.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const { name, kind, url } of candidates) {
        const { p50, p99 } = await pair.call('propagation', kind, url, scale(300));
        p50s.get(name)?.push(p50);
        p99s.get(name)?.push(p99);
      }
    }
    await Promise.all([pair, memory.child, durable.child, relay.child, yjs.child].map((child) => child.stop()));
    const p50 = (name: string): number => median(p50s.get(name) ?? []);
    const p99 = (name: string): number => median(p99s.get(name) ?? []);
    return [
      compare('propagation p50, memory', p50('memory'), 'bare relay', p50('relay'), 'ms', { atMost: 1.5 }),
      compare('propagation p50, durable', p50('durable'), 'bare relay', p50('relay'), 'ms', { atMost: 3 }),
      compare('propagation p50, memory', p50('memory'), 'Yjs', p50('yjs'), 'ms'),
      compare('propagation p99, memory', p99('memory'), 'bare relay', p99('relay'), 'ms'),
      compare('propagation p99, durable', p99('durable'), 'bare relay', p99('relay'), 'ms'),
    ];
  },
};
