import type { Bench } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { compare } from '../harness/format.js';
import { takeTurns } from '../harness/rounds.js';
import { startNode, startRelay, startYjs } from '../harness/servers.js';
import type { PeerKind } from '../peers/Peer.js';
import type { ObserverRole } from '../processes/observer.js';
import type { WritersRole } from '../processes/writers.js';

const WRITERS = 4;

export const observed: Bench = {
  name: 'observed',
  about:
    'Writes that an observer has seen, per second: 4 writers in one process, one transaction each a turn of the event loop, the observer in another. The goals were set against Hocuspocus (12x, 2.5x); these are the same figures against y-websocket, by its measured distance from Hocuspocus.',
  async run(context) {
    const { rounds, scale } = context;
    const writers = new Child<WritersRole>(new URL('../processes/writers.ts', import.meta.url));
    const observer = new Child<ObserverRole>(new URL('../processes/observer.ts', import.meta.url));
    const measure = (kind: PeerKind, url: string, transactions: number, ops: number) => async (): Promise<number> => {
      await observer.call('connect', kind, url);
      await writers.call('connect', kind, url, WRITERS);
      const total = transactions * ops * WRITERS;
      const until = observer.call('until', total);
      const from = await writers.call('write', transactions, ops);
      const seconds = ((await until) - from) / 1000;
      await writers.call('close');
      await observer.call('close');
      return total / seconds;
    };
    const rows = [];
    for (const [ops, transactions, atLeast] of [
      [1, scale(10_000), 9.6],
      [100, scale(300), 2.8],
    ] as const) {
      // New servers for each size, so that nobody drags the records of the other along.
      const [memory, durable, relay, yjs] = await Promise.all([
        startNode(context, 'memory'),
        startNode(context, 'embedded'),
        startRelay(),
        startYjs(),
      ]);
      const speed = await takeTurns(rounds, {
        memory: measure('topgun', memory.url, transactions, ops),
        durable: measure('topgun', durable.url, transactions, ops),
        relay: measure('relay', relay.url, transactions, ops),
        yjs: measure('yjs', yjs.url, Math.ceil(transactions / 4), ops),
      });
      await Promise.all([memory.child, durable.child, relay.child, yjs.child].map((child) => child.stop()));
      const what = `observed writes, ${ops} op${ops === 1 ? '' : 's'} a transaction`;
      rows.push(
        compare(`${what}, memory`, speed.memory, 'y-websocket', speed.yjs, 'ops/s', { atLeast }),
        compare(`${what}, durable`, speed.durable, 'y-websocket', speed.yjs, 'ops/s', { atLeast }),
        compare(`${what}, memory`, speed.memory, 'bare relay', speed.relay, 'ops/s'),
      );
    }
    await writers.stop();
    await observer.stop();
    return rows;
  },
};
