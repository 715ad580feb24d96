import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChildScript } from '../../../tests/support/ChildScript.js';

const SCRIPT = new URL('./testing/fillDisk.ts', import.meta.url);
const LIMIT_KIB = 4096;

let path = '';

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'store-full-'));
});

afterEach(() => rmSync(path, { recursive: true, force: true }));

/** Runs the script's steps; `makeSpace` is called when it waits for space. */
async function fill(child: ChildScript, makeSpace: (pid: number) => void): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (;;) {
    const { step, rows } = JSON.parse(await child.line()) as { step: string; rows: number };
    counts[step] = rows;
    if (step === 'sound' || step === 'damaged') return counts;
    if (step !== 'opened on a full disk') continue;
    makeSpace(child.process.pid ?? 0);
    child.say('go on');
  }
}

function expectHonest(counts: Record<string, number>): void {
  const { full = 0, deleted = 0, 'full again': again = 0 } = counts;
  expect(full).toBeGreaterThan(10);
  expect(deleted).toBe(Math.floor(full / 2));
  // What was deleted makes room, although the file stays as long as it is.
  expect(again).toBeGreaterThan(deleted);
  expect(counts).toMatchObject({ space: again + 10, sound: again + 10 });
}

/** A limit for the size of files needs no rights, and stops writes as a full disk does. */
const LIMITED = ['sh', '-c', `ulimit -S -f ${(LIMIT_KIB * 1024) / 512}; exec "$0" "$@"`];
/** Its own mounts, which end with the process. Not everybody may have them. */
const OWN_MOUNTS = ['unshare', '--mount', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])];
const [unshare = '', ...unshareOptions] = OWN_MOUNTS;
const mayMount = spawnSync(unshare, [...unshareOptions, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

describe('a store whose disk is full', () => {
  it('says STORAGE_FULL, keeps what it has and goes on when it may', async () => {
    const child = new ChildScript(SCRIPT, [path, 'limit', '60000'], LIMITED);
    const counts = await fill(child, (pid) => spawnSync('prlimit', ['--pid', String(pid), '--fsize=unlimited:']));
    expectHonest(counts);
  });

  if (mayMount) {
    it.each([3_000, 60_000])('does the same on a small file system (rows of %i bytes)', async (bytes) => {
      const child = new ChildScript(SCRIPT, [path, 'tmpfs', String(bytes)], OWN_MOUNTS);
      expectHonest(await fill(child, () => undefined));
    });
  }
});
