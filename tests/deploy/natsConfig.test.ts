import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ensureNatsServer } from '../../scripts/nats/natsServer.js';
import { tempFolder } from '../e2e/support/tempFolder.js';
import { readDeploy } from './support/read.js';

it('the configuration of NATS is one that the oldest server takes, with a password that the instructions make', async () => {
  const folder = tempFolder();
  const file = join(folder, 'nats.conf');
  writeFileSync(file, readDeploy('nats.conf').replace('"/data"', JSON.stringify(join(folder, 'data'))));
  const password = `p${'12e4'.repeat(12)}`;
  const output = execFileSync(await ensureNatsServer(), ['-t', '--config', file, '--name', 'nats-1'], {
    env: {
      NATS_PASSWORD: password,
      NATS_ROUTES: `[nats://topgun:${password}@a:6222, nats://topgun:${password}@b:6222]`,
    },
    stdio: 'pipe',
  });
  expect(String(output)).toBe('');
});
