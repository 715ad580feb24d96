import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NaiveModel } from '../testing/NaiveModel.js';
import { anyOp } from '../testing/opArbitraries.js';
import type { Op } from '../testing/ops.js';
import { PlaneHarness } from '../testing/PlaneHarness.js';

function valuesOf(h: PlaneHarness, map: string, keys: Iterable<string>): Map<string, unknown> {
  const values = new Map<string, unknown>();
  for (const key of keys) {
    const found = h.plane.read(map, key);
    if (found !== null) values.set(key, found.value);
  }
  return values;
}

/** Every frame that a subscriber gets for each cursor position: the whole state, order and sequences included. */
function fingerprint(h: PlaneHarness, map: string): string[] {
  const frames: string[] = [];
  for (let seq = 0; seq <= 12; seq++) {
    const cursors = Array.from({ length: h.shardCount }, (_, shard) => [shard, seq]).flat();
    const send = (frame: Uint8Array): number => frames.push(`${seq}: ${Buffer.from(frame).toString('base64')}`);
    const spec = {
      queryId: 1,
      map,
      query: {},
      logId: h.plane.logId,
      cursors,
      restriction: null,
      shards: null,
      onMoved: () => undefined,
    };
    h.plane.subscribe(spec, { hasRoom: true, send }).close();
  }
  return frames;
}

describe('a data plane', () => {
  it('holds what a naive model holds, however ops are grouped, and so does its successor', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(anyOp, { minLength: 1, maxLength: 12, size: 'max' }), { maxLength: 10, size: 'max' }),
        fc.boolean(),
        async (batches: Op[][], snapshots) => {
          const tuning = snapshots ? { snapshotLogBytes: 200, snapshotStepRows: 2 } : {};
          const h = await PlaneHarness.open({ tuning });
          const model = new NaiveModel();
          const keys = new Set<string>();
          for (const [i, batch] of batches.entries()) {
            const written = h.write(...batch);
            for (const op of batch) {
              model.apply(op);
              keys.add(op.key);
            }
            // Without waiting for some of them, batches share log records.
            if (i % 3 === 0) await written;
          }
          await h.settle();
          const successor = await h.reopened();
          for (const map of ['todos', 'other']) {
            const expected = new Map(model.rows(map, h.runtime.now()).map(({ key, value }) => [key, value]));
            expect(valuesOf(h, map, keys)).toEqual(expected);
            expect(valuesOf(successor, map, keys)).toEqual(expected);
            expect(fingerprint(successor, map)).toEqual(fingerprint(h, map));
          }
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);
});
