import { describe, expect, it } from 'vitest';
import { isLoopback } from './isLoopback.js';

describe('isLoopback', () => {
  it('knows the addresses that only this machine reaches', () => {
    for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.1.2.3', '::1'])
      expect(isLoopback(host), host).toBe(true);
  });

  it('takes nothing else for one, whatever it looks like', () => {
    for (const host of [
      '0.0.0.0',
      '::',
      '10.0.0.1',
      '127.evil.example',
      '127.0.0.1.evil.example',
      'localhost.example',
      '',
    ]) {
      expect(isLoopback(host), host).toBe(false);
    }
  });
});
