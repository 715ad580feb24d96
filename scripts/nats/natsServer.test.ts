import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureNatsServer, findNatsServer, NATS_SERVER_VERSION } from './natsServer.js';

let root = '';
let cache = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'topgun-find-'));
  cache = join(root, 'cache');
});

afterEach(() => rmSync(root, { recursive: true }));

/** A program that says its version as nats-server does. */
function plant(path: string, version: string): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho "nats-server: v${version}"\n`, { mode: 0o755 });
  return file;
}

/** A PATH without the machine's own programs. */
const path = (...folders: readonly string[]): string => folders.map((folder) => join(root, folder)).join(':');

describe('looking for a nats-server', () => {
  it('takes the chosen one before all others', async () => {
    const chosen = plant('chosen/nats', '2.12.1');
    plant('bin/nats-server', '2.11.0');
    expect(await findNatsServer({ env: { TOPGUN_NATS_SERVER: chosen, PATH: path('bin') }, cache, alsoIn: [] })).toBe(
      chosen,
    );
  });

  it.each([
    ['is too old', () => plant('chosen/nats', '2.10.26'), 'is nats-server 2.10.26; it has to be 2.10.27 or newer'],
    ['is not there', () => join(root, 'nowhere'), 'is no nats-server that runs here'],
  ])('never passes over a chosen one that %s', async (_what, choose, words) => {
    plant('bin/nats-server', '2.11.0');
    const env = { TOPGUN_NATS_SERVER: choose(), PATH: path('bin') };
    await expect(findNatsServer({ env, cache, alsoIn: [] })).rejects.toThrow(words);
    await expect(ensureNatsServer({ env, cache, alsoIn: [] })).rejects.toThrow(words);
  });

  it('takes the first on the PATH that is new enough', async () => {
    plant('old/nats-server', '2.9.10');
    const good = plant('new/nats-server', '2.10.100');
    plant('newer/nats-server', '3.0.0');
    expect(await findNatsServer({ env: { PATH: path('none', 'old', 'new', 'newer') }, cache, alsoIn: [] })).toBe(good);
  });

  it('takes the one fetched before, when the machine has none', async () => {
    const cached = plant(`cache/${NATS_SERVER_VERSION}/nats-server`, NATS_SERVER_VERSION);
    expect(await findNatsServer({ env: { PATH: path('none') }, cache, alsoIn: [] })).toBe(cached);
  });
});

it('says what to do where there is none and Debian’s cannot be unpacked', async () => {
  await expect(ensureNatsServer({ env: { PATH: path('none') }, cache, alsoIn: [] })).rejects.toThrow(
    /There is no nats-server 2\.10\.27 or newer \(this machine has no dpkg.*TOPGUN_NATS_SERVER/,
  );
});
