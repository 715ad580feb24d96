import { describe, expect, it } from 'vitest';
import { commaList, duration, httpUrl, nodeUrl, seconds, wholeNumber } from './parse.js';

describe('options', () => {
  it('take whole numbers in their range and nothing else', () => {
    const port = wholeNumber(0, 65_535);
    expect([port('0'), port('8080'), port('65535')]).toEqual([0, 8080, 65_535]);
    for (const text of ['', '-1', '1.5', '1e3', '0x10', ' 1', '65536', 'NaN', '9'.repeat(30)])
      expect(() => port(text)).toThrow();
  });

  it('take times with a unit', () => {
    expect([duration('90s'), duration('30m'), duration('1h'), duration('7d')]).toEqual([
      90_000, 1_800_000, 3_600_000, 604_800_000,
    ]);
    for (const text of ['', '1', 'h', '0s', '-1h', '1.5h', '1w', '9999d']) expect(() => duration(text)).toThrow();
  });

  it('take seconds with fractions', () => {
    expect([seconds('10'), seconds('0.5')]).toEqual([10, 0.5]);
    for (const text of ['', '0', '-1', '1s', '.5', '1e3']) expect(() => seconds(text)).toThrow();
  });

  it('take lists without empty names', () => {
    expect(commaList('a, b,c')).toEqual(['a', 'b', 'c']);
    for (const text of ['', 'a,', ',']) expect(() => commaList(text)).toThrow();
  });

  it('take URLs that a client can use, and find the HTTP side of a node', () => {
    expect(nodeUrl('wss://data.example/path')).toBe('wss://data.example/path');
    for (const text of ['', 'localhost:8080', 'ftp://x', 'ws:']) expect(() => nodeUrl(text)).toThrow();
    expect(httpUrl('wss://data.example/path?q=1', '/cluster').href).toBe('https://data.example/cluster');
    expect(httpUrl('ws://127.0.0.1:8080', '/readyz').href).toBe('http://127.0.0.1:8080/readyz');
  });
});
