import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChildScript } from '../../../tests/support/ChildScript.js';
import { Store } from './Store.js';
import { ALL, numberedBytes, numberedKey } from './testing/bytes.js';

const HOLD = new URL('./testing/holdStore.ts', import.meta.url);
const COMMIT = new URL('./testing/commitForever.ts', import.meta.url);

let path = '';
let opened: Store[] = [];
let children: ChildScript[] = [];

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'store-'));
});

afterEach(async () => {
  await Promise.all([...opened.map((store) => store.close()), ...children.map((child) => child.kill())]);
  opened = [];
  children = [];
  rmSync(path, { recursive: true, force: true });
});

async function open(): Promise<Store> {
  const store = await Store.open({ path, tables: ['rows', 'others'] });
  opened.push(store);
  return store;
}

async function hold(): Promise<{ child: ChildScript; said: string }> {
  const child = new ChildScript(HOLD, [path]);
  children.push(child);
  return { child, said: await child.line() };
}

function put(number: number, value: Uint8Array, table = 'rows') {
  return { table, key: numberedKey(number), value };
}

function remove(number: number) {
  return { table: 'rows', key: numberedKey(number), value: null };
}

function numbers(store: Store, table = 'rows'): number[] {
  return store.rows(table, ALL, 1e6, 1e9).map(({ key }) => new DataView(key.buffer, key.byteOffset).getUint32(0));
}

describe('a store', () => {
  it('applies a commit in order, in the order of commits, and keeps it over closing and opening', async () => {
    let store = await open();
    await Promise.all([
      store.commit([put(1, numberedBytes(1, 10)), put(2, numberedBytes(2, 0)), put(2, numberedBytes(3, 5000))]),
      store.commit([remove(1), put(7, numberedBytes(7, 1), 'others')]),
    ]);
    await store.close();
    store = await open();
    expect(store.get('rows', numberedKey(1))).toBeUndefined();
    expect(store.rows('rows', ALL, 9, 1e9)).toEqual([
      { key: Buffer.from(numberedKey(2)), value: Buffer.from(numberedBytes(3, 5000)) },
    ]);
    expect(numbers(store, 'others')).toEqual([7]);
  });

  it('keeps empty values apart from no values', async () => {
    const store = await open();
    await store.commit([put(1, new Uint8Array(0))]);
    expect(store.get('rows', numberedKey(1))).toHaveLength(0);
    expect(store.get('rows', numberedKey(2))).toBeUndefined();
  });

  it('reads ranges in the order of bytes, up to a number of rows or of bytes', async () => {
    const store = await open();
    await store.commit([300, 5, 70_000, 6].map((number) => put(number, numberedBytes(number, 100))));
    expect(numbers(store)).toEqual([5, 6, 300, 70_000]);
    expect(store.rows('rows', ALL, 2, 1e9)).toHaveLength(2);
    expect(store.rows('rows', ALL, 9, 101)).toHaveLength(2);
    expect(store.keys('rows', { start: numberedKey(6), end: numberedKey(70_000) }, 9)).toEqual(
      [6, 300].map((number) => Buffer.from(numberedKey(number))),
    );
    expect(store.lastKey('rows', numberedKey(0), numberedKey(69_999))).toEqual(Buffer.from(numberedKey(300)));
    expect(store.lastKey('rows', numberedKey(300), numberedKey(301))).toBeUndefined();
  });

  it('hands out copies, which later commits do not change', async () => {
    const store = await open();
    await store.commit([put(1, numberedBytes(1, 9000)), put(2, numberedBytes(2, 9))]);
    const rows = store.rows('rows', ALL, 9, 1e9);
    for (let round = 3; round < 20; round++) {
      await store.commit([put(1, numberedBytes(round, 9000)), put(2, numberedBytes(round, 9))]);
    }
    expect(rows.map(({ value }) => value[0])).toEqual([1, 2]);
  });

  it('refuses a key that LMDB cannot hold, with the whole commit', async () => {
    const store = await open();
    const tooLong = { table: 'rows', key: new Uint8Array(1979), value: new Uint8Array(1) };
    await expect(store.commit([put(1, new Uint8Array(1)), tooLong])).rejects.toMatchObject({ code: 'TOO_LARGE' });
    await expect(store.commit([{ ...tooLong, key: new Uint8Array(0) }])).rejects.toMatchObject({ code: 'TOO_LARGE' });
    await store.commit([{ ...tooLong, key: new Uint8Array(1978) }]);
    expect(numbers(store)).toEqual([0]);
  });

  it('finishes commits under way before it closes, and refuses any after', async () => {
    const store = await open();
    const commits = [1, 2, 3].map((number) => store.commit([put(number, numberedBytes(number, 10))]));
    const closing = store.close();
    await expect(store.commit([put(4, new Uint8Array(1))])).rejects.toMatchObject({ code: 'CLOSED' });
    await Promise.all([...commits, closing, store.close()]);
    expect(() => store.get('rows', numberedKey(1))).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    expect(numbers(await open())).toEqual([1, 2, 3]);
  });

  it('uses the space of what was deleted again', async () => {
    const store = await open();
    const file = join(path, 'data.mdb');
    const sizes: number[] = [];
    // A log that is appended to at one end and trimmed at the other, with records of all sizes.
    for (let number = 0; number < 300; number++) {
      const changes = [put(number, numberedBytes(number, (number * 7919) % 40_000))];
      await store.commit(number < 30 ? changes : [...changes, remove(number - 30)]);
      if (number % 100 === 99) sizes.push(statSync(file).size);
    }
    const [first = 0, , last = 0] = sizes;
    expect(last).toBeLessThan(1.5 * first);
    expect(numbers(store)).toHaveLength(30);
  });
});

describe('a directory', () => {
  it('is open once in a process, and the one that has it is not disturbed', async () => {
    const store = await open();
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(open()).rejects.toMatchObject({
        code: 'STORAGE_FAILED',
        message: expect.stringContaining('in use by this process already'),
      });
    }
    expect((await hold()).said).toContain('in use');
    await store.commit([put(1, new Uint8Array(1))]);
    await store.close();
    expect(numbers(await open())).toEqual([1]);
  });

  it('is open in one process at a time, and free as soon as that one is killed', async () => {
    const first = await hold();
    expect(first.said).toBe('open');
    const refusal = `in use by another process (id ${first.child.process.pid})`;
    expect((await hold()).said).toContain(refusal);
    await expect(open()).rejects.toThrow(refusal);
    first.child.process.kill('SIGSTOP');
    await expect(open()).rejects.toThrow(refusal);
    await first.child.kill();
    await open();
  });

  it('goes to exactly one of many that start at once', async () => {
    const said = await Promise.all(Array.from({ length: 5 }, async () => (await hold()).said));
    expect(said.filter((line) => line === 'open')).toHaveLength(1);
  });
});

describe('a process that is killed while it commits', () => {
  it.each([200, 20_000])('leaves every commit that it was told of, and none in part (%i bytes)', async (bytes) => {
    const child = new ChildScript(COMMIT, [path, String(bytes)]);
    children.push(child);
    const acked: number[] = [];
    while (acked.length < 100) acked.push(Number(await child.line()));
    await child.kill();
    const store = await open();
    const rows = store.rows('rows', ALL, 1e6, 1e9);
    const found = new Set(rows.map(({ key }) => new DataView(key.buffer, key.byteOffset).getUint32(0)));
    expect(acked.filter((pair) => !found.has(2 * pair) || !found.has(2 * pair + 1))).toEqual([]);
    expect([...found].filter((row) => !found.has(row ^ 1))).toEqual([]);
    for (const { key, value } of rows) {
      const row = new DataView(key.buffer, key.byteOffset).getUint32(0);
      expect(Buffer.compare(value, numberedBytes(row >> 1, bytes))).toBe(0);
    }
  });
});

describe('a store that cannot be opened says why', () => {
  const refusal = async (): Promise<unknown> => await open().catch((error: unknown) => error);

  it('when its path is a file', async () => {
    rmSync(path, { recursive: true });
    writeFileSync(path, 'text');
    expect(await refusal()).toMatchObject({ code: 'STORAGE_FAILED', message: expect.stringContaining(path) });
  });

  it('when its data file is a directory', async () => {
    mkdirSync(join(path, 'data.mdb'));
    expect(await refusal()).toMatchObject({ code: 'STORAGE_FAILED' });
  });

  it.each([
    ['text', Buffer.from('x'.repeat(20_000))],
    ['zeros', Buffer.alloc(20_000)],
    ['less than a page', Buffer.alloc(40, 1)],
  ])('when its data file is %s', async (_what, content) => {
    writeFileSync(join(path, 'data.mdb'), content);
    expect(await refusal()).toMatchObject({ code: 'STORAGE_FAILED', message: expect.stringContaining('damaged') });
  });

  it('when its data file was cut off, and opens it when it is whole again', async () => {
    const file = join(path, 'data.mdb');
    const store = await open();
    for (let number = 0; number < 20; number++) await store.commit([put(number, numberedBytes(number, 50_000))]);
    await store.close();
    const whole = readFileSync(file);
    truncateSync(file, 200_000);
    expect(await refusal()).toMatchObject({ code: 'STORAGE_FAILED', message: expect.stringContaining('200000 bytes') });
    writeFileSync(file, whole);
    expect(numbers(await open())).toHaveLength(20);
  });

  it('when the files of its lock are damaged', async () => {
    mkdirSync(join(path, 'lock'));
    writeFileSync(join(path, 'lock', 'data.mdb'), 'x'.repeat(20_000));
    expect(await refusal()).toMatchObject({ code: 'STORAGE_FAILED', message: expect.stringContaining('lock') });
  });
});
