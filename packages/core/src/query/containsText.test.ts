import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cpuMs } from '../testing/cpuMs.js';
import { containsText } from './containsText.js';

const few = fc.stringMatching(/^[ab]{0,6}$/);

it('finds what String.includes finds, in long texts as well', () => {
  fc.assert(
    fc.property(few, few, few, fc.nat({ max: 40 }), (head, period, tail, times) => {
      // Long enough that the engine's search is not trusted: `text` repeats, and `part` is almost a piece of it.
      const text = head + period.repeat(20_000) + tail;
      for (const part of [period.repeat(100 + times) + tail, head + period.repeat(100 + times), tail + head]) {
        expect(containsText(part)(text)).toBe(text.includes(part));
      }
    }),
    { numRuns: 60 },
  );
});

it('takes no longer on texts that were made to take long', () => {
  const text = 'a'.repeat(1_000_000);
  const contains = containsText(`${'a'.repeat(250_000)}b${'a'.repeat(250_000)}`);
  const start = cpuMs();
  expect(contains(text)).toBe(false);
  expect(cpuMs() - start).toBeLessThan(1_000);
});
