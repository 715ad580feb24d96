import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareTimestamps, MAX_MS } from '../clock/Timestamp.js';
import { TopGunError } from '../errors.js';
import { damaged, damages } from '../testing/mutations.js';
import { timestamp } from '../testing/rows.js';
import { ByteWriter } from '../wire/ByteWriter.js';
import { decodeStamps, encodeStamps } from './stamps.js';

describe('the payload of OR_REMOVE', () => {
  it('names its timestamps in ascending order, each once, however it was written', () => {
    fc.assert(
      fc.property(fc.array(timestamp, { maxLength: 20 }), (stamps) => {
        const read = decodeStamps(encodeStamps(stamps));
        for (const stamp of stamps) expect(read).toContainEqual(stamp);
        for (let i = 1; i < read.length; i++) {
          expect(compareTimestamps(read[i - 1] ?? never(), read[i] ?? never())).toBeLessThan(0);
        }
      }),
    );
  });

  it('is refused as BAD_FRAME when it is damaged, or still gives timestamps in order', () => {
    fc.assert(
      fc.property(fc.array(timestamp, { maxLength: 6 }), damages, (stamps, dealt) => {
        try {
          const read = decodeStamps(damaged(encodeStamps(stamps), dealt));
          expect(decodeStamps(encodeStamps(read))).toEqual(read);
        } catch (error) {
          if (!(error instanceof TopGunError)) throw error;
          expect(error.code).toBe('BAD_FRAME');
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('is refused when a timestamp is out of range or a replica is missing', () => {
    for (const [ms, counter, replica] of [
      [MAX_MS + 1, 0, 0],
      [0, 65_536, 0],
      [0, 0, 1],
    ] as const) {
      const writer = new ByteWriter();
      writer.writeVaruint(1);
      writer.writeString('r');
      writer.writeVaruint(1);
      for (const number of [ms, counter, replica]) writer.writeVaruint(number);
      expect(() => decodeStamps(writer.toBytes())).toThrow(expect.objectContaining({ code: 'BAD_FRAME' }));
    }
  });
});

function never(): never {
  throw new Error('unreachable');
}
