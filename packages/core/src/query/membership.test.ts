import { expect, it } from 'vitest';
import { cpuMs } from '../testing/cpuMs.js';
import { canonicalValue } from './canonicalValue.js';
import { membership } from './membership.js';

const STRUCTURES = [
  [],
  {},
  [1, 'é', null],
  { a: [1n, -(2n ** 80n), new Date(5)], __x: new Uint8Array([1, 255]) },
  [[[]]],
];

it('finds each listed structure, however close it comes to the longest', () => {
  for (const value of STRUCTURES) {
    expect(membership([value])(structuredClone(value)), canonicalValue(value)).toBe(true);
    expect(membership(STRUCTURES)(structuredClone(value))).toBe(true);
    expect(membership(STRUCTURES)([value, value])).toBe(false);
  }
});

it('looks at no more of a large value than the listed ones have', () => {
  const isListed = membership([[1, 2, 3], { a: 1 }]);
  const large = [Array.from({ length: 200_000 }, (_, i) => ({ i })), [2n ** 4_000_000n], { a: 'x'.repeat(1_000_000) }];
  const start = cpuMs();
  for (let i = 0; i < 1_000; i++) for (const value of large.slice(0, 1)) expect(isListed(value)).toBe(false);
  for (const value of large) expect(isListed(value)).toBe(false);
  expect(cpuMs() - start).toBeLessThan(1_000);
});
