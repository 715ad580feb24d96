import fc from 'fast-check';
import { expect, it } from 'vitest';
import { flatCopy } from './flatCopy.js';

it('copies any text unit by unit, lone surrogates and long texts included', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 300 }), (units) => {
      const text = String.fromCharCode(...units);
      return flatCopy(text) === text;
    }),
  );
  const long = 'é'.repeat(200_000);
  expect(flatCopy(long)).toBe(long);
});
