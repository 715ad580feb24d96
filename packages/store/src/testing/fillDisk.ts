import { execFileSync } from 'node:child_process';
import { mkdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { TopGunError } from '@topgunbuild/core';
import { Store } from '../Store.js';
import { ALL, numberedBytes, numberedKey } from './bytes.js';

/**
 * `fillDisk.ts <path> <tmpfs|limit> <bytes>`: adds rows of that size until the disk is full, three times; deletes every
 * second one; adds until full; waits for a line, upon which there is space; adds ten. Says after each step how many rows
 * there are, and in the end whether all are what they were.
 */
const [path = '', disk = '', size = ''] = process.argv.slice(2);
const bytes = Number(size);
const filler = join(path, 'filler');
mkdirSync(path, { recursive: true });
if (disk === 'tmpfs') {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', path]);
  writeFileSync(filler, new Uint8Array(20 * 1024 * 1024));
}

let store = await Store.open({ path: join(path, 'store'), tables: ['rows'] });
const rows = new Set<number>();
let next = 0;

async function add(): Promise<void> {
  await store.commit([{ table: 'rows', key: numberedKey(next), value: numberedBytes(next, bytes) }]);
  rows.add(next);
  next += 1;
}

async function addUntilFull(): Promise<void> {
  try {
    for (;;) await add();
  } catch (error) {
    if (!(error instanceof TopGunError && error.code === 'STORAGE_FULL')) throw error;
  }
}

function say(step: string): void {
  process.stdout.write(`${JSON.stringify({ step, rows: rows.size })}\n`);
}

for (let round = 0; round < 3; round += 1) await addUntilFull();
say('full');
for (const row of [...rows].filter((row) => row % 2 === 0)) {
  await store.commit([{ table: 'rows', key: numberedKey(row), value: null }]);
  rows.delete(row);
}
say('deleted');
await addUntilFull();
say('full again');
await store.close();
store = await Store.open({ path: join(path, 'store'), tables: ['rows'] });
say('opened on a full disk');
for await (const _line of createInterface({ input: process.stdin })) break;
if (disk === 'tmpfs') unlinkSync(filler);
for (let count = 0; count < 10; count += 1) await add();
say('space');
const found = store.rows('rows', ALL, 1e6, 1e9);
const sound = found.every(({ key, value }) => {
  const row = new DataView(key.buffer, key.byteOffset).getUint32(0);
  return rows.has(row) && Buffer.compare(value, numberedBytes(row, bytes)) === 0;
});
process.stdout.write(`${JSON.stringify({ step: sound ? 'sound' : 'damaged', rows: found.length })}\n`);
await store.close();
process.exit();
