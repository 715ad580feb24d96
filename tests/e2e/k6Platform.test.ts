import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as platform from '../../k6/platform/index.js';

describe('what the bundle for k6 brings along', () => {
  it('encodes text as the platform does, halves of pairs included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('', '\ud800', '\udfff'), (text, half) => {
        const whole = `${text}${half}${text}`;
        expect(new platform.TextEncoder().encode(whole)).toEqual(new TextEncoder().encode(whole));
      }),
    );
  });

  it('encodes as many whole characters as there is room for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(40), (text, room) => {
        const own = new Uint8Array(room);
        const other = new Uint8Array(room);
        expect(new platform.TextEncoder().encodeInto(text, own)).toEqual(new TextEncoder().encodeInto(text, other));
        expect(own).toEqual(other);
      }),
    );
  });

  it('decodes bytes as the platform does, and refuses what it refuses', () => {
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.string({ unit: 'binary', maxLength: 12 }).map((text) => new TextEncoder().encode(text)),
      fc
        .array(fc.constantFrom(0x41, 0xef, 0xbb, 0xbf, 0xc0, 0xe0, 0xed, 0xa0, 0x80, 0xf0, 0x90, 0xf4))
        .map((bytes) => Uint8Array.from(bytes)),
    );
    const options = fc.record({ fatal: fc.boolean(), ignoreBOM: fc.boolean() });
    fc.assert(
      fc.property(bytes, options, (input, how) => {
        expect(outcome(() => new platform.TextDecoder('utf-8', how).decode(input))).toEqual(
          outcome(() => new TextDecoder('utf-8', how).decode(input)),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('decodes long texts', () => {
    const text = 'smørrebrød 🥪 '.repeat(5_000);
    expect(new platform.TextDecoder().decode(new TextEncoder().encode(text))).toBe(text);
  });

  it.each([
    'ws://a:8080',
    'wss://Example.COM/path?x=1&token=2#hash',
    'http://user:pass@10.0.0.1:80/',
    'https://[::1]:8443',
    'wss://host:443',
    'ws://host:080/x%20y?a=b+c&d=%26',
    'ws://name@host',
    'ftp://host/',
    '/path',
    'ws://',
    'ws://host:99999',
    'ws://a b',
    '',
  ])('takes %j apart as the platform does', (url) => {
    expect(outcome(() => parts(new platform.URL(url)))).toEqual(outcome(() => parts(new URL(url))));
  });

  it('runs a task after what is running now, and in order with promises', async () => {
    const order: number[] = [];
    platform.queueMicrotask(() => order.push(1));
    const second = Promise.resolve().then(() => order.push(2));
    platform.queueMicrotask(() => order.push(3));
    order.push(0);
    await second;
    await null;
    expect(order).toEqual([0, 1, 2, 3]);
  });
});

function parts(url: URL | platform.URL): unknown {
  const { protocol, username, password, host, pathname, search } = url;
  return { protocol, username, password, host, pathname, search, names: [...url.searchParams.keys()] };
}

function outcome(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error instanceof TypeError ? 'refused' : error;
  }
}
