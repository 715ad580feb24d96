import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from './support/eventually.js';
import { openClient, startClient } from './support/openClient.js';
import { RawSession } from './support/RawSession.js';
import { startServer } from './support/startServer.js';
import { tempFolder } from './support/tempFolder.js';
import { mintToken, SECRET } from './support/token.js';

describe('tokens', () => {
  it('of the same subject come and go, and every queued write stays', { timeout: 40_000 }, async () => {
    const args = ['--data', join(tempFolder(), 'data'), '--jwt-secret', SECRET];
    const { url, port, child } = await startServer(args);
    const client = await openClient({ url, auth: mintToken('ann') });
    await child.kill();
    const writes = Array.from({ length: 100 }, (_, i) => client.getMap<number>('m').set(`k${i}`, i));
    client.setAuthToken(mintToken('ann', { expiresInMs: 7_200_000, roles: ['admin'] }));
    await startServer([...args, '--port', String(port)]);
    await Promise.all(writes.map((write) => write.acked));
    expect(client.pendingWrites).toBe(0);
    expect(client.getMap('m').size).toBe(100);
  });

  it('of another subject neither send nor show what the first one has queued', { timeout: 40_000 }, async () => {
    const args = ['--data', join(tempFolder(), 'data'), '--jwt-secret', SECRET];
    const { url, port, child } = await startServer(args);
    const client = await openClient({ url, auth: mintToken('ann') });
    await child.kill();
    const secret = client.getMap<string>('m').set('diary', 'of ann');
    client.setAuthToken(mintToken('bob'));
    await eventually('the change of subject', () => client.pendingWrites === 0);
    expect(client.getMap('m').get('diary')).toBeUndefined();
    await startServer([...args, '--port', String(port)]);
    await client.ready({ timeoutMs: 15_000 });
    await client.getMap<string>('m').set('note', 'of bob').acked;
    const reader = await openClient({ url, auth: mintToken('carol') });
    const map = reader.getMap<string>('m');
    await map.synced();
    expect([...map]).toEqual([['note', 'of bob']]);

    client.setAuthToken(mintToken('ann'));
    await secret.acked;
    await eventually('the diary has arrived', () => map.get('diary') === 'of ann');
  });

  it('of another subject get through as soon as the former one’s connection is gone', async () => {
    const { url } = await startServer(['--memory', '--jwt-secret', SECRET]);
    const former = await RawSession.authenticated(url, mintToken('ann'), 'device');
    const client = startClient({ url, auth: mintToken('bob'), clientId: 'device' });
    const refused = new Promise((resolve) => client.on('status', (status) => status === 'offline' && resolve(status)));
    await client.start();
    await refused;
    former.close();
    await client.ready({ timeoutMs: 10_000 });
  });

  it('that have ended keep writes waiting for the next one', async () => {
    const { url } = await startServer(['--memory', '--jwt-secret', SECRET]);
    const client = startClient({ url, auth: mintToken('ann', { expiresInMs: -10_000 }) });
    const failed = new Promise<{ readonly code: string }>((resolve) => client.on('auth-failed', resolve));
    await client.start();
    const write = client.getMap('m').set('k', 1);
    expect((await failed).code).toBe('AUTH_EXPIRED');
    expect(client.pendingWrites).toBe(1);
    client.setAuthToken(mintToken('ann'));
    await write.acked;
  });

  it('are renewed in place before they end, while writes go on', { timeout: 40_000 }, async () => {
    const { url } = await startServer(['--memory', '--jwt-secret', SECRET]);
    let asked = 0;
    const auth = async (): Promise<string> => {
      asked++;
      return mintToken('ann', { expiresInMs: 3_000 });
    };
    const client = await openClient({ url, auth });
    const statuses: string[] = [];
    client.on('status', (status) => statuses.push(status));
    for (let i = 0; asked < 4; i++) await client.getMap<number>('m').set('k', i).acked;
    expect(statuses).toEqual([]);
  });

  it('end the session within a second of their own end', async () => {
    const { url } = await startServer(['--memory', '--jwt-secret', SECRET]);
    const endsAt = Math.floor((Date.now() + 2_000) / 1000) * 1000;
    const session = await RawSession.authenticated(url, mintToken('ann', { expiresInMs: 2_000 }), 'c1');
    expect((await session.next('ERROR')).code).toBe('AUTH_EXPIRED');
    expect((await session.closed).code).toBe(4401);
    expect(Math.abs(Date.now() - endsAt)).toBeLessThan(1_000);
  });

  it.each([
    ['no token', null, 'AUTH_REQUIRED'],
    ['something else', 'hello', 'AUTH_INVALID'],
    ['a token of another secret', mintToken('ann', { secret: `${SECRET}!` }), 'AUTH_INVALID'],
    ['a token without a signature', unsigned(mintToken('ann')), 'AUTH_INVALID'],
    ['a token that has ended', mintToken('ann', { expiresInMs: -1_000 }), 'AUTH_EXPIRED'],
  ])('are asked for: %s is refused', async (_what, token, code) => {
    const { url } = await startServer(['--memory', '--jwt-secret', SECRET]);
    const session = await RawSession.connect(url);
    session.auth(token, 'c1');
    expect((await session.next('AUTH_FAIL')).code).toBe(code);
    expect((await session.closed).code).toBe(4401);
  });
});

/** The same claims under `alg: none`. */
function unsigned(token: string): string {
  const header = Buffer.from('{"alg":"none"}').toString('base64url');
  return `${header}.${token.split('.')[1]}.`;
}
