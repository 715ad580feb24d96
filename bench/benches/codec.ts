import { decodeEntries, EntryBatch, encodeEntries, Tag } from '@topgunbuild/core';
import { Packr } from 'msgpackr';
import type { Bench } from '../harness/Bench.js';
import { compare } from '../harness/format.js';
import { takeTurns } from '../harness/rounds.js';
import { clock, ENCODED, sample } from '../harness/sample.js';

const OPS = 100;
const REPLICA = 'bench-00000-0.abcdefgh.abcdefghijk';

export const codec: Bench = {
  name: 'codec',
  about:
    'A frame of 100 operations, encoded and decoded: TopGun’s columns with opaque values beside JSON and msgpackr (plain maps) with the same fields. A server decodes no value, so neither does this; the others have no choice.',
  async run({ rounds, scale }) {
    const packr = new Packr({ useRecords: false });
    const plain = Array.from({ length: OPS }, (_, i) => ({
      map: 'bench',
      key: `record-${i * 37}`,
      type: 'set',
      ms: 1_700_000_000_000 + i,
      counter: i,
      replica: REPLICA,
      value: sample(i),
    }));
    const columns = (): Uint8Array => {
      const batch = new EntryBatch();
      for (let i = 0; i < OPS; i++) {
        const { key, ms, counter } = plain[i] as (typeof plain)[number];
        batch.add('bench', key, Tag.LWW_SET, ms, counter, REPLICA, 0, ENCODED[i]);
      }
      return encodeEntries(batch);
    };
    const candidates = {
      columns: () => decodeEntries(columns()).count,
      msgpackr: () => (packr.unpack(packr.pack(plain)) as unknown[]).length,
      json: () => (JSON.parse(JSON.stringify(plain)) as unknown[]).length,
    };
    const measure = (run: () => number) => (): number => {
      const times = scale(3_000);
      const from = clock();
      let ops = 0;
      for (let i = 0; i < times; i++) ops += run();
      return ((clock() - from) * 1e6) / ops;
    };
    for (const run of Object.values(candidates)) measure(run)();
    const ns = await takeTurns(rounds * 2 + 1, {
      columns: measure(candidates.columns),
      msgpackr: measure(candidates.msgpackr),
      json: measure(candidates.json),
    });
    const size = columns().length / OPS;
    return [
      compare('codec, encode + decode per op', ns.columns, 'msgpackr maps', ns.msgpackr, 'ns', { atMost: 0.2 }),
      compare('codec, encode + decode per op', ns.columns, 'JSON', ns.json, 'ns'),
      compare('codec, bytes per op', size, 'msgpackr maps', packr.pack(plain).length / OPS, 'B'),
      compare('codec, bytes per op', size, 'JSON', JSON.stringify(plain).length / OPS, 'B'),
    ];
  },
};
