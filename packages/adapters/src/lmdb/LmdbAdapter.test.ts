import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChildScript } from '../../../../tests/support/ChildScript.js';
import { LmdbAdapter } from './LmdbAdapter.js';

const COMMIT = new URL('./testing/commitForever.ts', import.meta.url);

let path = '';
let adapter: LmdbAdapter;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'lmdb-'));
  adapter = new LmdbAdapter({ path });
});

afterEach(async () => {
  await adapter.close();
  rmSync(path, { recursive: true, force: true });
});

async function names(table: 'records' | 'ops'): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const chunk of adapter.scan(table)) for (const { key } of chunk) found.add(key.at(-1) ?? '');
  return found;
}

describe('LmdbAdapter', () => {
  it('has every commit that resolved after kill -9, with all of its changes', async () => {
    const child = new ChildScript(COMMIT, [path]);
    let acked = -1;
    while (acked < 100) acked = Number(await child.line());
    await expect(adapter.open('main')).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message: expect.stringContaining(`in use by another process (id ${child.process.pid})`),
    });
    await child.kill();
    await adapter.open('main');
    const records = await names('records');
    expect(records.size).toBeGreaterThan(acked);
    expect(await names('ops')).toEqual(records);
    for (let number = 0; number <= acked; number++) expect(records.has(String(number))).toBe(true);
  });

  it('lets two clients of one process use namespaces of their own, and no other', async () => {
    const other = new LmdbAdapter({ path });
    await adapter.open('main');
    await expect(other.open('main')).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await other.open('other');
    await other.close();
  });

  it('refuses names that are no namespaces, before it touches the disk', async () => {
    for (const name of ['', '.', '..', 'a/b', 'a\\b', 'a b', 'é', 'x'.repeat(121)]) {
      await expect(adapter.open(name)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    }
    expect(readdirSync(path)).toEqual([]);
  });

  it('says why when its path is a file', async () => {
    const file = join(path, 'file');
    writeFileSync(file, 'text');
    await expect(new LmdbAdapter({ path: file }).open('main')).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });
});
