import fc from 'fast-check';
import type { Op } from './ops.js';

const KEYS = 14;
const OWNERS = ['ann', 'bob', 'cy'];

/** Ms since 1970 of the earliest op: around the time at which a TestRuntime begins. */
export const OP_EPOCH = 1_760_000_000_000;

const at = fc.record({
  ms: fc.integer({ min: OP_EPOCH, max: OP_EPOCH + 60 }),
  counter: fc.integer({ min: 0, max: 1 }),
  replica: fc.constantFrom('r1', 'r2', 'r3'),
});

const value = fc.record({
  owner: fc.constantFrom(...OWNERS),
  n: fc.integer({ min: 0, max: 9 }),
});

const ttlMs = fc.integer({ min: 1, max: 200 });
const index = fc.integer({ min: 0, max: KEYS - 1 });

/** Keys tell the kind that they are mostly used as, so that records live long enough to see something. */
const lwwKey = index.map((n) => `k${n}`);
const orKey = fc.integer({ min: 0, max: 2 }).map((n) => `or${n}`);
const counterKey = fc.integer({ min: 0, max: 2 }).map((n) => `count${n}`);
const map = fc.constantFrom(undefined, undefined, undefined, 'other');

const set = fc.record({ key: lwwKey, at, set: value });
const setForAWhile = fc.record({ key: lwwKey, at, set: value, ttlMs });
const remove = fc.record({ key: lwwKey, at, remove: fc.constant(true as const) });
const add = fc.record({ key: orKey, at, add: fc.constantFrom('x', 'y', 'z') });
const drop = fc.record({ key: orKey, at, drop: fc.array(at, { minLength: 1, maxLength: 3 }) });
const count = fc.record({ key: counterKey, at, totals: fc.tuple(fc.nat(20), fc.nat(20)) });
const misfit = fc.record({ key: fc.oneof(orKey, counterKey), at, set: value });

/** Ops on few keys with few timestamps: collisions, duplicates, losers and misfits are the rule. */
export const anyOp: fc.Arbitrary<Op> = fc
  .tuple(
    map,
    fc.oneof(
      { weight: 6, arbitrary: set },
      { weight: 2, arbitrary: setForAWhile },
      { weight: 3, arbitrary: remove },
      { weight: 2, arbitrary: add },
      { weight: 1, arbitrary: drop },
      { weight: 1, arbitrary: count },
      { weight: 1, arbitrary: misfit },
    ),
  )
  .map(([name, op]) => distinct(name === undefined ? op : { ...op, map: name }));

/**
 * One identity never carries two payloads here: which of them comes first is the shard's to say and not the model's.
 * So what the payload is made of goes into the replica's name.
 */
function distinct(op: Op): Op {
  const payload = JSON.stringify({ ...op, at: undefined, key: undefined, map: undefined });
  return { ...op, at: { ...op.at, replica: 'totals' in op ? op.at.replica : `${op.at.replica}-${payload}` } };
}
