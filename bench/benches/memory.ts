import type { Bench } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { fillNode, fillYjs } from '../harness/fill.js';
import { compare } from '../harness/format.js';
import { startNode, startYjs } from '../harness/servers.js';
import type { SyncerRole } from '../processes/syncer.js';

const SYNCER = new URL('../processes/syncer.ts', import.meta.url);

export const memory: Bench = {
  name: 'memory',
  about:
    'Memory that records take once everything is loaded and garbage is collected: heap and external memory above an empty process, scaled to 100,000 records. The server keeps its log on disk. Values were not read yet by the client.',
  async run(context) {
    const records = context.scale(100_000);
    const [node, yjs] = await Promise.all([startNode(context, 'embedded'), startYjs()]);
    const before = { topgun: await node.child.call('memory'), yjs: await yjs.child.call('memory') };
    await fillNode(node.url, records);
    await fillYjs(yjs.url, records);
    const after = { topgun: await node.child.call('memory'), yjs: await yjs.child.call('memory') };
    const clients = [new Child<SyncerRole>(SYNCER, ['--expose-gc']), new Child<SyncerRole>(SYNCER, ['--expose-gc'])];
    const topgunClient = await clients[0]?.call('holdTopGun', node.url, records);
    const yjsClient = await clients[1]?.call('holdYjs', yjs.url, records);
    await Promise.all([...clients, node.child, yjs.child].map((child) => child.stop()));
    const kilobytes = (bytes: number | undefined): number => ((bytes ?? 0) * 100_000) / records / 1000;
    const server = {
      topgun: kilobytes(after.topgun.used - before.topgun.used),
      yjs: kilobytes(after.yjs.used - before.yjs.used),
    };
    return [
      compare('memory of 100 k records, server', server.topgun, 'Yjs', server.yjs, 'kB', { atMost: 0.45 }),
      compare(
        'memory of 100 k records, client',
        kilobytes(topgunClient?.used),
        'Yjs',
        kilobytes(yjsClient?.used),
        'kB',
        {
          atMost: 0.45,
        },
      ),
      compare('resident set, client', kilobytes(topgunClient?.rss), 'Yjs', kilobytes(yjsClient?.rss), 'kB'),
    ];
  },
};
