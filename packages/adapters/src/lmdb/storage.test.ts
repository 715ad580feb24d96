import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type IStorageAdapter, MemoryAdapter, type StorageChange, type StorageTable } from '@topgunbuild/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LmdbAdapter } from './LmdbAdapter.js';

const KINDS: Record<string, (path: string) => IStorageAdapter> = {
  LmdbAdapter: (path) => new LmdbAdapter({ path }),
  MemoryAdapter: () => new MemoryAdapter(),
};

const STRANGE = [
  '',
  '\0',
  'a',
  'a\0',
  'a\0b',
  'ab',
  '__proto__',
  'a/../b',
  '*',
  'é',
  'e\u0301',
  '\u{1f600}',
  '\uffff',
  'ключ',
  ' ',
];

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

async function rows(adapter: IStorageAdapter, table: StorageTable): Promise<[string, number[]][]> {
  const found: [string, number[]][] = [];
  for await (const chunk of adapter.scan(table)) {
    for (const { key, value } of chunk) found.push([key.join('|'), [...value]]);
  }
  return found;
}

describe.each(Object.keys(KINDS))('%s', (kind) => {
  let path = '';
  let adapter: IStorageAdapter;

  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), 'adapter-'));
    const create = KINDS[kind] as (path: string) => IStorageAdapter;
    adapter = create(path);
    await adapter.open('main');
  });

  afterEach(async () => {
    await adapter.close();
    rmSync(path, { recursive: true, force: true });
  });

  async function reopen(namespace = 'main'): Promise<void> {
    await adapter.close();
    await adapter.open(namespace);
  }

  it('keeps what was committed over closing and opening, each table apart', async () => {
    await adapter.commit([
      { table: 'records', key: ['todos', 'a'], value: bytes(1) },
      { table: 'ops', key: ['a'], value: bytes(2, 2) },
      { table: 'meta', key: ['a'], value: bytes() },
    ]);
    await reopen();
    expect(await rows(adapter, 'records')).toEqual([['todos|a', [1]]]);
    expect(await rows(adapter, 'ops')).toEqual([['a', [2, 2]]]);
    expect(await rows(adapter, 'meta')).toEqual([['a', []]]);
  });

  it('applies changes in order: a later one of a key wins', async () => {
    const change = (key: string, value: Uint8Array | null): StorageChange => ({ table: 'meta', key: [key], value });
    await adapter.commit([
      change('a', bytes(1)),
      change('a', bytes(2)),
      change('b', bytes(1)),
      change('b', null),
      change('c', null),
      change('c', bytes(3)),
    ]);
    await adapter.commit([]);
    await Promise.all([adapter.commit([change('d', bytes(1))]), adapter.commit([change('d', bytes(2))])]);
    await reopen();
    expect(await rows(adapter, 'meta')).toEqual([
      ['a', [2]],
      ['c', [3]],
      ['d', [2]],
    ]);
  });

  it('tells every map and key from every other, and lists them in order', async () => {
    const keys = STRANGE.flatMap((map) => STRANGE.map((key) => [map, key] as const));
    await adapter.commit(keys.map((key, index) => ({ table: 'records', key, value: bytes(index) })));
    await reopen();
    const found: (readonly string[])[] = [];
    for await (const chunk of adapter.scan('records')) {
      for (const { key, value } of chunk) {
        expect(keys[value[0] ?? -1]).toEqual(key);
        found.push(key);
      }
    }
    const order = [...STRANGE].sort((a, b) => (a < b ? -1 : 1));
    expect(found).toEqual(order.flatMap((map) => order.map((key) => [map, key])));
  });

  it('holds the longest names and keys, and large values', async () => {
    const value = new Uint8Array(1024 * 1024).fill(7);
    const longest = [
      ['\u{1f600}'.repeat(64), '\u{1f600}'.repeat(256)],
      ['\0'.repeat(256), '\0'.repeat(1024)],
    ];
    await adapter.commit(longest.map((key) => ({ table: 'records', key, value })));
    await reopen();
    let count = 0;
    for await (const chunk of adapter.scan('records')) {
      for (const row of chunk) {
        expect(longest).toContainEqual(row.key);
        expect(Buffer.compare(row.value, value)).toBe(0);
        count += 1;
      }
    }
    expect(count).toBe(2);
  });

  it('takes ten thousand changes in one commit, and gives them back in chunks', async () => {
    const numbers = Array.from({ length: 10_000 }, (_, index) => String(index).padStart(6, '0'));
    await adapter.commit(numbers.map((number) => ({ table: 'ops', key: [number], value: new Uint8Array(100) })));
    let chunks = 0;
    const found: string[] = [];
    for await (const chunk of adapter.scan('ops')) {
      chunks += 1;
      for (const { key } of chunk) found.push(key[0] ?? '');
    }
    expect(found).toEqual(numbers);
    expect(chunks).toBeGreaterThan(1);
    await adapter.commit(numbers.map((number) => ({ table: 'ops', key: [number], value: null })));
    expect(await rows(adapter, 'ops')).toEqual([]);
  });

  it('keeps a copy: bytes may change once they are committed', async () => {
    const value = bytes(1);
    await adapter.commit([{ table: 'meta', key: ['a'], value }]);
    value[0] = 9;
    expect(await rows(adapter, 'meta')).toEqual([['a', [1]]]);
  });

  it('keeps namespaces apart, capitals from small letters too', async () => {
    for (const namespace of ['main', 'Main', 'ma-in', 'ma_in']) {
      await reopen(namespace);
      expect(await rows(adapter, 'meta')).toEqual([]);
      await adapter.commit([{ table: 'meta', key: [namespace], value: bytes(1) }]);
    }
    await reopen('Main');
    expect(await rows(adapter, 'meta')).toEqual([['Main', [1]]]);
  });

  it('is open once, and refuses work while it is not', async () => {
    await expect(adapter.open('main')).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(adapter.open('other')).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await adapter.close();
    await adapter.close();
    await expect(adapter.commit([])).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(rows(adapter, 'meta')).rejects.toMatchObject({ code: 'CLOSED' });
    await adapter.open('main');
  });
});
