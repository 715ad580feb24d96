import { TopGunClient } from '@topgunbuild/client';
import { Doc } from 'yjs';
import { answer } from '../harness/answer.js';
import { clock, sample } from '../harness/sample.js';
import { BareMap } from '../opponents/BareMap.js';

/** One map in one process without a server: how fast an application can write to and read from its own memory. */
const KEYS = Array.from({ length: 20_000 }, (_, i) => `record-${i}`);
const VALUES = Array.from({ length: 1_000 }, (_, i) => sample(i));

interface LocalMap {
  set(key: string, value: unknown): unknown;
  get(key: string): unknown;
}

export interface Speed {
  readonly sets: number;
  readonly gets: number;
}

function measure(map: LocalMap, sets: number, gets: number): Speed {
  let from = clock();
  for (let i = 0; i < sets; i++) map.set(KEYS[i % KEYS.length] as string, VALUES[i % VALUES.length]);
  const setsPerSecond = (sets * 1000) / (clock() - from);
  from = clock();
  let found = 0;
  // A prime stride: neither the order of insertion nor a pattern that caches love.
  for (let i = 0, at = 0; i < gets; i++, at = (at + 7919) % KEYS.length) {
    if (map.get(KEYS[at] as string) !== undefined) found++;
  }
  const getsPerSecond = (gets * 1000) / (clock() - from);
  if (found !== gets) throw new Error(`${gets - found} records are missing`);
  return { sets: setsPerSecond, gets: getsPerSecond };
}

const role = {
  async topgun(sets: number, gets: number): Promise<Speed> {
    const client = new TopGunClient();
    await client.start();
    const speed = measure(client.getMap('bench'), sets, gets);
    await client.close();
    return speed;
  },
  bare: (sets: number, gets: number): Speed => measure(new BareMap('bench'), sets, gets),
  yjs: (sets: number, gets: number): Speed => measure(new Doc().getMap('bench'), sets, gets),
};

export type LocalRole = typeof role;
answer(role);
