import { describe, expect, it } from 'vitest';
import { isNewEnough } from './findNatsServer.js';
import { natsConfig } from './natsConfig.js';

describe('the configuration of nats-server', () => {
  it('flushes each write, is for this machine only, and takes the largest records', () => {
    const text = natsConfig({ name: 'n', directory: '/a "b"', password: 'p', routePorts: [] });
    expect(text).toContain('jetstream { store_dir: "/a \\"b\\"", sync_interval: always }');
    expect(text).toContain('listen: "127.0.0.1:-1"');
    expect(text).toContain('max_payload: 16MB');
    expect(text).not.toContain('routes');
  });

  it('tells each of several servers where all of them are, the first port being its own', () => {
    const text = natsConfig({ name: 'n', directory: '/a', password: 'p', routePorts: [7, 8, 9] });
    expect(text).toContain('listen: "127.0.0.1:7"');
    for (const port of [7, 8, 9]) expect(text).toContain(`"nats://topgun:p@127.0.0.1:${port}"`);
  });
});

describe('isNewEnough', () => {
  it('compares numbers, not letters', () => {
    for (const version of ['2.10.27', '2.10.100', '2.11.0', '2.14.1', '3.0.0']) expect(isNewEnough(version)).toBe(true);
    for (const version of ['2.10.26', '2.9.100', '1.99.99']) expect(isNewEnough(version)).toBe(false);
  });
});
