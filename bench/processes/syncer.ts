import { MemoryAdapter, TopGunClient } from '@topgunbuild/client';
import { answer } from '../harness/answer.js';
import { CountedWebSocket, type Traffic, takeTraffic } from '../harness/CountedWebSocket.js';
import { clock, memoryInUse, pause } from '../harness/sample.js';
import { openYjs } from '../peers/yjsPeer.js';

interface Synced extends Traffic {
  readonly ms: number;
}

const storage = new MemoryAdapter();
/** What is held while its memory is measured. */
let held: unknown = null;

/** The map, once synced and with every value read once: until then nothing can be shown. */
async function syncTopGun(url: string, adapter: MemoryAdapter | null): Promise<TopGunClient> {
  const client = new TopGunClient({
    url,
    WebSocket: CountedWebSocket,
    ...(adapter === null ? {} : { storage: adapter }),
  });
  await client.start();
  const map = client.getMap('bench');
  await map.synced({ timeoutMs: 60_000 });
  return client;
}

function readAll(values: Iterable<unknown>, expected: number): void {
  let count = 0;
  for (const value of values) if (value !== undefined) count++;
  if (count !== expected) throw new Error(`${count} records instead of ${expected}`);
}

const role = {
  async topgun(url: string, records: number): Promise<Synced> {
    takeTraffic();
    const from = clock();
    const client = await syncTopGun(url, null);
    readAll(client.getMap('bench').values(), records);
    const ms = clock() - from;
    await client.close();
    return { ...takeTraffic(), ms };
  },

  async yjs(url: string, records: number): Promise<Synced> {
    takeTraffic();
    const from = clock();
    const { doc, provider } = await openYjs(url, 'bench');
    readAll(doc.getMap('bench').values(), records);
    const ms = clock() - from;
    provider.destroy();
    return { ...takeTraffic(), ms };
  },

  /** A client with storage that survives it: the first call downloads everything, later ones what changed. */
  async again(url: string, records: number): Promise<Synced> {
    takeTraffic();
    const from = clock();
    const client = await syncTopGun(url, storage);
    const ms = clock() - from;
    const traffic = takeTraffic();
    readAll(client.getMap('bench').values(), records);
    await client.close();
    return { ...traffic, ms };
  },

  /** Memory that a synced map takes, in bytes. Needs `--expose-gc`, and a process of its own. */
  async holdTopGun(url: string, records: number): Promise<{ readonly used: number; readonly rss: number }> {
    return hold(async () => {
      const client = await syncTopGun(url, null);
      if (client.getMap('bench').size !== records) throw new Error('records are missing');
      return client;
    });
  },

  async holdYjs(url: string, records: number): Promise<{ readonly used: number; readonly rss: number }> {
    return hold(async () => {
      const { doc } = await openYjs(url, 'bench');
      if (doc.getMap('bench').size !== records) throw new Error('records are missing');
      return doc;
    });
  },
};

async function hold(open: () => Promise<unknown>): Promise<{ readonly used: number; readonly rss: number }> {
  const before = memoryInUse();
  held = await open();
  await pause(500);
  const after = memoryInUse();
  if (held === null) throw new Error('nothing is held');
  return { used: after.used - before.used, rss: after.rss - before.rss };
}

export type SyncerRole = typeof role;
answer(role);
