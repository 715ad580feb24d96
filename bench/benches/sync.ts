import { EntryBatch, encodeEntries, Tag } from '@topgunbuild/core';
import type { Bench, Row } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { fillNode, fillYjs } from '../harness/fill.js';
import { compare } from '../harness/format.js';
import { median } from '../harness/rounds.js';
import { ENCODED } from '../harness/sample.js';
import { startNode, startYjs } from '../harness/servers.js';
import type { SyncerRole } from '../processes/syncer.js';

const SYNCER = new URL('../processes/syncer.ts', import.meta.url);

export const sync: Bench = {
  name: 'sync',
  about:
    'A fresh client downloads a map of 20,000 records and reads every value once. Then a client that was away while 1,000 of 100,000 records changed: what it downloads, beside the changed operations themselves in one columnar batch.',
  async run(context) {
    return [...(await freshClient(context)), ...(await afterAbsence(context))];
  },
};

async function freshClient(context: Parameters<Bench['run']>[0]): Promise<Row[]> {
  const records = context.scale(20_000);
  const [node, yjs] = await Promise.all([startNode(context, 'memory'), startYjs()]);
  await fillNode(node.url, records);
  await fillYjs(yjs.url, records);
  const syncers = { topgun: new Child<SyncerRole>(SYNCER), yjs: new Child<SyncerRole>(SYNCER) };
  const ms = { topgun: [] as number[], yjs: [] as number[] };
  const bytes = { topgun: 0, yjs: 0 };
  for (let round = 0; round <= context.rounds * 2; round++) {
    for (const kind of ['topgun', 'yjs'] as const) {
      const synced = await syncers[kind].call(kind, kind === 'topgun' ? node.url : yjs.url, records);
      bytes[kind] = synced.received;
      if (round > 0) ms[kind].push(synced.ms);
    }
  }
  await Promise.all([syncers.topgun, syncers.yjs, node.child, yjs.child].map((child) => child.stop()));
  const what = `a fresh client syncs ${records} records`;
  return [
    compare(`${what}: time`, median(ms.topgun), 'Yjs', median(ms.yjs), 'ms', { atMost: 0.35 }),
    compare(`${what}: bytes`, bytes.topgun / 1000, 'Yjs', bytes.yjs / 1000, 'kB', { atMost: 0.9 }),
  ];
}

async function afterAbsence(context: Parameters<Bench['run']>[0]): Promise<Row[]> {
  const records = context.scale(100_000);
  const changed = context.scale(1_000);
  const node = await startNode(context, 'memory');
  await fillNode(node.url, records);
  const syncer = new Child<SyncerRole>(SYNCER);
  await syncer.call('again', node.url, records);
  await fillNode(node.url, changed);
  const delta = await syncer.call('again', node.url, records);
  await syncer.stop();
  await node.child.stop();
  const log = new EntryBatch();
  const replica = 'bench-00000-0.abcdefgh.abcdefghijk';
  for (let i = 0; i < changed; i++) {
    log.add('bench', `record-${i}`, Tag.LWW_SET, Date.now(), i, replica, 0, ENCODED[i % ENCODED.length]);
  }
  const what = `delta after an absence, ${changed} of ${records} changed`;
  const opLog = encodeEntries(log).length / 1000;
  const row = compare(`${what}: bytes`, delta.received / 1000, 'the operations', opLog, 'kB', { atMost: 1.2 });
  const trip = `${delta.ms.toFixed(0)} ms, ${delta.framesReceived} frames`;
  return [row, { what: `${what}: time`, measured: trip, beside: 'one request', ratio: null, goal: null }];
}
