import { describe, expect, it } from 'vitest';
import { natsServers } from './natsServers.js';

describe('natsServers', () => {
  it('takes hosts and URLs, and adds what they leave out', () => {
    expect(natsServers('nats://a:1, b, [::1]:4223').servers).toEqual([
      'nats://a:1',
      'nats://b:4222',
      'nats://[::1]:4223',
    ]);
    expect(natsServers('nats://a:1').options).toEqual({});
  });

  it('keeps credentials apart from the URLs', () => {
    expect(natsServers('nats://me:p%40ss@a,nats://b')).toEqual({
      servers: ['nats://a:4222', 'nats://b:4222'],
      options: { user: 'me', pass: 'p@ss' },
    });
    expect(natsServers('nats://s3cret@a').options).toEqual({ token: 's3cret' });
    expect(natsServers('tls://me:p@a').options).toEqual({ user: 'me', pass: 'p', tls: {} });
  });

  it('refuses what is no server, and never repeats it', () => {
    for (const text of ['', 'a,', 'http://a', 'nats://', 'nats://me:secret@a/path', 'nats://a:99999', 'a b']) {
      expect(() => natsServers(text)).toThrow(/^It must be a list/);
    }
    expect(() => natsServers('nats://me:one@a,nats://me:two@b')).toThrow('the same credentials');
  });
});
