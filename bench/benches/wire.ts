import type { Bench } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { compare } from '../harness/format.js';
import { startNode, startRelay, startYjs } from '../harness/servers.js';
import type { PeerKind } from '../peers/Peer.js';
import type { WritersRole } from '../processes/writers.js';

export const wire: Bench = {
  name: 'wire',
  about:
    'Bytes that a writer sends and receives per operation, frame headers and acknowledgements included. TopGun acknowledges every operation; Yjs and the relay none. The relay’s operations are JSON.',
  async run(context) {
    const writers = new Child<WritersRole>(new URL('../processes/writers.ts', import.meta.url));
    const [node, relay, yjs] = await Promise.all([startNode(context, 'memory'), startRelay(), startYjs()]);
    const rows = [];
    for (const ops of [1, 100]) {
      const transactions = context.scale(10_000) / ops;
      const perOp = async (kind: PeerKind, url: string): Promise<number> => {
        await writers.call('connect', kind, url, 1);
        await writers.call('write', transactions, ops);
        const { sent, received } = await writers.call('traffic');
        await writers.call('close');
        return (sent + received) / (transactions * ops);
      };
      const ours = await perOp('topgun', node.url);
      const what = `bytes on the wire per op, ${ops} a turn`;
      rows.push(
        compare(what, ours, 'JSON', await perOp('relay', relay.url), 'B'),
        compare(what, ours, 'Yjs', await perOp('yjs', yjs.url), 'B'),
      );
    }
    await Promise.all([writers, node.child, relay.child, yjs.child].map((child) => child.stop()));
    return rows;
  },
};
