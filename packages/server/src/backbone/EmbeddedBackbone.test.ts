import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Store } from '@topgunbuild/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChildScript } from '../../../../tests/support/ChildScript.js';
import { EmbeddedBackbone } from './EmbeddedBackbone.js';

const APPEND = new URL('./testing/appendForever.ts', import.meta.url);
const TABLES = ['meta', 'log', 'snapshots', 'chunks'];

let folder = '';
let path = '';
const opened: EmbeddedBackbone[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'embedded-'));
  path = join(folder, 'made', 'on the way');
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((backbone) => backbone.close()));
  rmSync(folder, { recursive: true, force: true });
});

async function open(at = path): Promise<EmbeddedBackbone> {
  const backbone = new EmbeddedBackbone({ path: at });
  opened.push(backbone);
  await backbone.open();
  return backbone;
}

function record(shard: number, seq: number, length: number): Uint8Array {
  return new Uint8Array(length).fill((shard + seq) % 251);
}

describe('EmbeddedBackbone', () => {
  it.each([100, 30_000])('has every acknowledged record after kill -9, without gaps (%i bytes)', async (length) => {
    const shards = 6;
    const acked = new Map<number, number>();
    for (let round = 0; round < 2; round++) {
      const child = new ChildScript(APPEND, [path, String(shards), String(length)]);
      for (let count = 0; count < 150; count++) {
        const [shard = 0, seq = 0] = (await child.line()).split(' ').map(Number);
        acked.set(shard, Math.max(seq, acked.get(shard) ?? 0));
      }
      await child.kill();
      const backbone = await open();
      for (const [shard, seq] of acked) {
        const head = await backbone.log.head(shard);
        expect(head).toBeGreaterThanOrEqual(seq);
        let last = 0;
        for await (const found of backbone.log.read(shard, 0)) {
          if (last > 0) expect(found.seq).toBe(last + 1);
          expect(Buffer.compare(found.bytes, record(shard, found.seq, length))).toBe(0);
          last = found.seq;
        }
        expect(last).toBe(head);
      }
      await backbone.close();
    }
  });

  it('is refused while another one has the directory', async () => {
    await open();
    await expect(open()).rejects.toMatchObject({ code: 'STORAGE_FAILED', message: expect.stringContaining('in use') });
  });

  it('has another log id where a copy of the directory was brought back', async () => {
    const original = await open();
    const { logId } = original.log;
    await original.log.append(1, record(1, 1, 10), 0);
    await original.close();
    const copyPath = join(folder, 'copy');
    cpSync(path, copyPath, { recursive: true });
    const copy = await open(copyPath);
    const copyId = copy.log.logId;
    expect(copyId).not.toBe(logId);
    expect(await copy.log.head(1)).toBe(1);
    await copy.close();
    expect((await open(copyPath)).log.logId).toBe(copyId);
    expect((await open()).log.logId).toBe(logId);
  });

  it('refuses the data of a newer version', async () => {
    const store = await Store.open({ path, tables: TABLES });
    await store.commit([{ table: 'meta', key: Buffer.from('format'), value: Buffer.from('2') }]);
    await store.close();
    await expect(open()).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message: expect.stringContaining('format 2'),
    });
  });

  it('says so when a snapshot lacks chunks', async () => {
    const backbone = await open();
    await backbone.log.saveSnapshot(1, { seq: 1, chunks: [record(1, 1, 10), record(1, 1, 10)] });
    await backbone.close();
    const store = await Store.open({ path, tables: TABLES });
    const range = { start: new Uint8Array(1), end: new Uint8Array([255]) };
    await store.commit(store.keys('chunks', range, 1).map((key) => ({ table: 'chunks', key, value: null })));
    await store.close();
    const again = await open();
    await expect(again.log.loadSnapshot(1)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  it('does not keep chunks that no snapshot names', async () => {
    const backbone = await open();
    const { log } = backbone;
    for (let seq = 1; seq <= 3; seq++) await log.saveSnapshot(1, { seq, chunks: [record(1, seq, 10)] });
    await backbone.close();
    const store = await Store.open({ path, tables: TABLES });
    const range = { start: new Uint8Array(1), end: new Uint8Array([255]) };
    expect(store.keys('chunks', range, 9)).toHaveLength(1);
    await store.close();
  });

  it('fails a reader whose records are trimmed under its hands, instead of leaving them out', async () => {
    const { log } = await open();
    await Promise.all(Array.from({ length: 600 }, (_, head) => log.append(1, record(1, head + 1, 10), head)));
    const reading = log.read(1, 0)[Symbol.asyncIterator]();
    await reading.next();
    await log.trim(1, 500);
    const readOn = async (): Promise<void> => {
      while ((await reading.next()).done !== true);
    };
    await expect(readOn()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  it('refuses what is no shard', async () => {
    const { log } = await open();
    for (const shard of [-1, 1.5, 65_536, Number.NaN]) {
      await expect(log.append(shard, record(1, 1, 1), 0)).rejects.toMatchObject({ code: 'INTERNAL' });
    }
  });

  it('says CLOSED before it is opened and after it is closed', async () => {
    const backbone = new EmbeddedBackbone({ path });
    expect(() => backbone.log).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    await backbone.open();
    const { log } = backbone;
    await backbone.close();
    await backbone.close();
    await expect(log.append(1, record(1, 1, 1), 0)).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
