import type { Bench } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { fillNode } from '../harness/fill.js';
import { compare } from '../harness/format.js';
import { takeTurns } from '../harness/rounds.js';
import type { NodeRole } from '../processes/node.js';
import type { ReaderRole } from '../processes/reader.js';

const NODE = new URL('../processes/node.ts', import.meta.url);
const READER = new URL('../processes/reader.ts', import.meta.url);

export const startup: Bench = {
  name: 'startup',
  about:
    'A node opens a store with 1,000,000 records until it serves, beside the time to read as many rows of LMDB, or of a plain log, into a JavaScript Map. Each in a new process, files warm in the page cache. (The goal was set against SQLite, which the measured LMDB beat by 1.27.)',
  async run(context) {
    const records = context.scale(1_000_000);
    const [path, rows] = [await context.directory(), await context.directory()];
    const filler = new Child<NodeRole>(NODE);
    const { url } = await filler.call('start', path);
    await fillNode(url, records);
    await filler.call('stop');
    await filler.stop();
    const writer = new Child<ReaderRole>(READER);
    await writer.call('writeLmdb', rows, records);
    await writer.call('writeLog', rows, records);
    await writer.stop();
    const read = (method: 'readLmdb' | 'readLog') => async (): Promise<number> => {
      const reader = new Child<ReaderRole>(READER);
      const ms = await reader.call(method, rows, records);
      await reader.stop();
      return ms;
    };
    const ms = await takeTurns(context.rounds, {
      lmdb: read('readLmdb'),
      log: read('readLog'),
      node: async () => {
        const child = new Child<NodeRole>(NODE);
        const started = await child.call('start', path);
        await child.call('stop');
        await child.stop();
        return started.ms;
      },
    });
    const what = `start with ${records} records`;
    return [
      compare(what, ms.node, 'LMDB rows into a Map', ms.lmdb, 'ms', { atMost: 0.63 }),
      compare(what, ms.node, 'plain log into a Map', ms.log, 'ms'),
    ];
  },
};
