import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openClient } from './support/openClient.js';
import { startServer } from './support/startServer.js';
import { tempFolder } from './support/tempFolder.js';

const KEYS = [
  '',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'toString',
  '\u0000',
  'k'.repeat(1024),
  'ключ 🗝',
  '\uffff',
  '𐀀',
  ' ',
];

/** JSON.parse makes an own field of `__proto__`, a literal would not. */
const ODD_OBJECT: unknown = JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"":2,"length":3}');

const VALUES: Readonly<Record<string, unknown>> = {
  null: null,
  false: false,
  'an empty string': '',
  'a long string': 'ä🗝'.repeat(50_000),
  NaN: Number.NaN,
  'minus zero': -0,
  infinity: Number.POSITIVE_INFINITY,
  'the smallest number': Number.MIN_VALUE,
  'a whole number beyond 2^53': 2 ** 60,
  'a date': new Date('1969-12-31T23:59:59.999Z'),
  'the last date': new Date(8.64e15),
  bigint: 2n ** 63n - 1n,
  'negative bigint': -(2n ** 63n),
  bytes: new Uint8Array([0, 255, 128]),
  'no bytes': new Uint8Array(0),
  'an empty list': [],
  'an empty object': {},
  'odd field names': ODD_OBJECT,
  'all together': { list: [null, [[]], { a: new Date(0) }], bytes: new Uint8Array([1]), big: 1n },
};

describe('values and keys', () => {
  it('are the same after client, server, disk, kill -9, restart and another client', { timeout: 60_000 }, async () => {
    const data = join(tempFolder(), 'data');
    const first = await startServer(['--data', data, '--no-auth']);
    const writer = await openClient({ url: first.url });
    for (const [name, value] of Object.entries(VALUES)) writer.getMap('values').set(name, value);
    for (const key of KEYS) {
      writer.getMap('keys').set(key, { key });
      writer.getORMap('sets').add(key, key);
      writer.getCounter('counters', key).increment(key.length);
    }
    writer.getMap('__proto__').set('__proto__', 'of a map with this name');
    await writer.flush();
    await writer.close();
    await first.child.kill();

    const { url } = await startServer(['--data', data, '--no-auth']);
    const reader = await openClient({ url });
    const values = reader.getMap('values');
    const keys = reader.getMap('keys');
    const sets = reader.getORMap('sets');
    const proto = reader.getMap('__proto__');
    await Promise.all([values.synced(), keys.synced(), sets.synced(), proto.synced()]);
    for (const [name, value] of Object.entries(VALUES)) expect(values.get(name), name).toStrictEqual(value);
    expect(values.size).toBe(Object.keys(VALUES).length);
    expect(Object.is(values.get('minus zero'), -0)).toBe(true);
    expect([...keys.keys()].sort()).toEqual([...KEYS].sort());
    for (const key of KEYS) {
      expect(keys.get(key)).toEqual({ key });
      expect(sets.get(key)).toEqual([key]);
      const counter = reader.getCounter('counters', key);
      await counter.synced();
      expect(counter.value).toBe(key.length);
    }
    expect(proto.get('__proto__')).toBe('of a map with this name');
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('that cannot be carried are refused where they are written, and leave no trace', async () => {
    const { url } = await startServer(['--memory', '--no-auth']);
    const client = await openClient({ url });
    const map = client.getMap('m');
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(() => map.set('\ud800', 1)).toThrow(TypeError);
    expect(() => map.set('k', '\udc00')).toThrow(TypeError);
    expect(() => map.set('k', undefined)).toThrow(TypeError);
    expect(() => map.set('k', () => 1)).toThrow(TypeError);
    expect(() => map.set('k', cycle)).toThrow(TypeError);
    expect(() => map.set('k', { a: { b: Symbol('c') } })).toThrow(TypeError);
    expect(client.pendingWrites).toBe(0);
    expect(map.size).toBe(0);
  });
});
