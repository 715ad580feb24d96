import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Backbone, Log, LogRecord } from './Backbone.js';
import { EmbeddedBackbone } from './EmbeddedBackbone.js';
import { MemoryBackbone } from './MemoryBackbone.js';

const KINDS: Record<string, (path: string) => Backbone> = {
  embedded: (path) => new EmbeddedBackbone({ path }),
  memory: () => new MemoryBackbone(),
};

function bytes(length: number, fill = 1): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

async function records(log: Log, shard: number, fromSeq = 0): Promise<LogRecord[]> {
  const found: LogRecord[] = [];
  for await (const { seq, prev, bytes } of log.read(shard, fromSeq)) {
    found.push({ seq, prev, bytes: Uint8Array.from(bytes) });
  }
  return found;
}

async function seqs(log: Log, shard: number, fromSeq = 0): Promise<number[]> {
  return (await records(log, shard, fromSeq)).map(({ seq }) => seq);
}

describe.each(Object.keys(KINDS))('the log of the %s backbone', (kind) => {
  let path = '';
  let backbone: Backbone;
  let log: Log;

  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), 'backbone-'));
    const create = KINDS[kind] as (path: string) => Backbone;
    backbone = create(path);
    expect(backbone.type).toBe(kind);
    await backbone.open();
    log = backbone.log;
  });

  afterEach(async () => {
    await backbone.close();
    rmSync(path, { recursive: true, force: true });
  });

  async function reopen(): Promise<void> {
    await backbone.close();
    await backbone.open();
    log = backbone.log;
  }

  async function fill(shard: number, count: number): Promise<void> {
    for (let head = await log.head(shard), left = count; left > 0; head++, left--) {
      expect(await log.append(shard, bytes(3, head + 1), head)).toEqual({ status: 'appended', seq: head + 1 });
    }
  }

  it('counts the records of each shard from 1', async () => {
    await fill(3, 2);
    await fill(270, 1);
    expect(await Promise.all([log.head(3), log.head(270), log.head(4)])).toEqual([2, 1, 0]);
    expect(await records(log, 3)).toEqual([
      { seq: 1, prev: 0, bytes: bytes(3, 1) },
      { seq: 2, prev: 1, bytes: bytes(3, 2) },
    ]);
    expect(await records(log, 4)).toEqual([]);
  });

  it('keeps its id and its records over closing and opening', async () => {
    const { logId } = log;
    expect(logId.length).toBeGreaterThanOrEqual(8);
    await fill(3, 5);
    await reopen();
    expect(log.logId).toBe(logId);
    expect(await log.head(3)).toBe(5);
    await fill(3, 1);
    expect(await seqs(log, 3, 3)).toEqual([4, 5, 6]);
  });

  it('takes records of any size, without looking at them', async () => {
    const sizes = [0, 1, 1_900, 1_901, 2_040, 4_096, 65_536, 3_000_000];
    for (const [index, size] of sizes.entries()) await log.append(1, bytes(size, index + 1), index);
    await reopen();
    const found = await records(log, 1);
    expect(found.map((record) => record.bytes.length)).toEqual(sizes);
    expect(found.every((record) => record.bytes.every((byte) => byte === record.seq))).toBe(true);
  });

  it('keeps a copy: what an append was given may change once it is there', async () => {
    const record = bytes(10, 1);
    await log.append(1, record, 0);
    record.fill(9);
    expect((await records(log, 1))[0]?.bytes).toEqual(bytes(10, 1));
  });

  it('fences an append that does not follow the head', async () => {
    await fill(1, 2);
    for (const expected of [0, 1, 3, 99]) expect(await log.append(1, bytes(1), expected)).toEqual({ status: 'fenced' });
    expect(await seqs(log, 1)).toEqual([1, 2]);
    expect(await log.append(2, bytes(1), 2)).toEqual({ status: 'fenced' });
    await fill(1, 1);
  });

  it('fences against what is asked for and not yet there: of rivals one wins', async () => {
    const rivals = await Promise.all([1, 2, 3].map((rival) => log.append(1, bytes(1, rival), 0)));
    expect(rivals).toEqual([{ status: 'appended', seq: 1 }, { status: 'fenced' }, { status: 'fenced' }]);
    expect(await records(log, 1)).toEqual([{ seq: 1, prev: 0, bytes: bytes(1, 1) }]);
  });

  it('takes appends one upon the other without waiting', async () => {
    const results = await Promise.all([0, 1, 2, 3].map((head) => log.append(1, bytes(1, head), head)));
    expect(results.map(({ status }) => status)).toEqual(Array(4).fill('appended'));
    expect(await seqs(log, 1)).toEqual([1, 2, 3, 4]);
  });

  it('reads up to the head at the time of the call', async () => {
    await fill(1, 600);
    const reading = log.read(1, 0);
    await fill(1, 1);
    const found: number[] = [];
    for await (const { seq } of reading) found.push(seq);
    expect(found).toEqual(Array.from({ length: 600 }, (_, index) => index + 1));
    expect(await seqs(log, 1, 601)).toEqual([]);
    expect(await seqs(log, 1, 9_999)).toEqual([]);
  });

  it('forgets what is trimmed, of one shard, and never the last record', async () => {
    await fill(1, 10);
    await fill(2, 3);
    await log.trim(1, 4);
    expect(await seqs(log, 1)).toEqual([5, 6, 7, 8, 9, 10]);
    await log.trim(1, 2);
    await log.trim(1, 999);
    expect(await seqs(log, 1)).toEqual([10]);
    await log.trim(9, 5);
    expect(await seqs(log, 2)).toEqual([1, 2, 3]);
    await reopen();
    expect(await log.head(1)).toBe(10);
    await fill(1, 1);
    expect(await seqs(log, 1)).toEqual([10, 11]);
  });

  it('has no snapshot until one is saved, then the last one', async () => {
    expect(await log.loadSnapshot(1)).toBeNull();
    await log.saveSnapshot(1, { seq: 5, chunks: [bytes(10, 1), bytes(0), bytes(2_000_000, 2)] });
    expect(await log.loadSnapshot(2)).toBeNull();
    await reopen();
    const snapshot = await log.loadSnapshot(1);
    expect(snapshot?.seq).toBe(5);
    expect(snapshot?.chunks.map((chunk) => [chunk.length, chunk[0]])).toEqual([
      [10, 1],
      [0, undefined],
      [2_000_000, 2],
    ]);
    await log.saveSnapshot(1, { seq: 9, chunks: [bytes(1, 7)] });
    await log.saveSnapshot(2, { seq: 1, chunks: [] });
    await reopen();
    expect(await log.loadSnapshot(1)).toMatchObject({ seq: 9, chunks: { length: 1 } });
    expect(await log.loadSnapshot(2)).toMatchObject({ seq: 1, chunks: { length: 0 } });
  });

  it('keeps a copy of a snapshot', async () => {
    const chunk = bytes(10, 1);
    await log.saveSnapshot(1, { seq: 1, chunks: [chunk] });
    chunk.fill(9);
    expect((await log.loadSnapshot(1))?.chunks[0]?.every((byte) => byte === 1)).toBe(true);
  });

  it('has the whole of one snapshot at any time while another is being saved', async () => {
    const chunksOf = (fill: number): Uint8Array[] => Array.from({ length: 5 }, () => bytes(700_000, fill));
    await log.saveSnapshot(1, { seq: 1, chunks: chunksOf(1) });
    let isSaved = false;
    const saving = Promise.all([2, 3].map((seq) => log.saveSnapshot(1, { seq, chunks: chunksOf(seq) }))).then(() => {
      isSaved = true;
    });
    while (!isSaved) {
      const snapshot = await log.loadSnapshot(1);
      expect(snapshot?.chunks.map((chunk) => chunk[0])).toEqual(Array(5).fill(snapshot?.seq));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await saving;
    expect((await log.loadSnapshot(1))?.seq).toBe(3);
  });

  it('appends while snapshots are saved and the log is trimmed', async () => {
    await fill(1, 100);
    await Promise.all([
      fill(2, 20),
      log.saveSnapshot(1, { seq: 90, chunks: [bytes(3_000_000)] }),
      log.trim(1, 90),
      log.append(1, bytes(1), 100),
    ]);
    expect(await seqs(log, 1)).toEqual([91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101]);
    expect(await log.head(2)).toBe(20);
  });
});
