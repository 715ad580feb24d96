import { encodeStamps, encodeTotals, encodeValue, Tag, TopGunError } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { ops, replicaOf, sessionHarness, WALL } from '../testing/sessionHarness.js';
import { ackRanges } from './ackRanges.js';

describe('a batch of operations', () => {
  it('goes to the data plane as it is, and is acknowledged when that says so', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    harness.plane.acksAtOnce = false;
    client.sendBatch(7, ops({}, {}, {}));
    expect(harness.plane.writes[0]?.indexes).toBeNull();
    expect(client.ack).toBeUndefined();
    harness.plane.writes[0]?.done([{ index: 1, code: 'STALE_OP', message: 'old' }], []);
    expect(client.peer.last).toMatchObject({ type: 'OP_ACK', batchId: 7, ranges: [0, 1, 2, 1] });
    expect(client.ack?.rejected).toEqual(['1 STALE_OP']);
  });

  it('without operations is acknowledged', async () => {
    const client = await sessionHarness().join();
    client.sendBatch(1, ops());
    expect(client.ack).toEqual({ ranges: [], rejected: [] });
  });

  it('is answered in part when part of it is wrong, and only the rest is written', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    client.sendBatch(1, ops({}, { ms: WALL + 3_600_000 }, {}, { replica: replicaOf('c2', 'ann') }));
    expect(harness.plane.writes[0]?.indexes).toEqual([0, 2]);
    expect(client.ack).toEqual({ ranges: [0, 1, 2, 1], rejected: ['1 CLOCK_DRIFT', '3 FORBIDDEN'] });
  });

  it('that is wrong in every row never reaches the data plane', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    client.sendBatch(1, ops({ map: '' }, { map: '' }));
    expect(harness.plane.writes).toEqual([]);
    expect(client.ack).toEqual({ ranges: [], rejected: ['0 INVALID_VALUE', '1 INVALID_VALUE'] });
  });

  it('of more operations than the limit is a bad frame', async () => {
    const client = await sessionHarness({ limits: { maxBatchOps: 2 } }).join();
    client.sendBatch(1, ops({}, {}, {}));
    expect(client.errors).toEqual(['TOO_LARGE']);
  });

  it('answered after the session has ended goes nowhere', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    harness.plane.acksAtOnce = false;
    client.sendBatch(1, ops({}));
    client.session.onClosed();
    harness.plane.writes[0]?.done([], []);
    expect(client.ack).toBeUndefined();
  });
});

describe('an operation is refused', () => {
  const value = (bytes: number[]): Uint8Array => new Uint8Array(bytes);
  const stamps = (...ms: number[]): Uint8Array =>
    encodeStamps(ms.map((at) => ({ ms: at, counter: 0, replica: 'other.abcd1234.00000000000' })));
  const own = replicaOf('c1', 'ann');

  it.each([
    ['of a state tag', { tag: Tag.OR_STATE }, 'INVALID_VALUE'],
    ['of the LEFT tag', { tag: Tag.LEFT }, 'INVALID_VALUE'],
    ['without a map', { map: '' }, 'INVALID_VALUE'],
    ['with too long a map name', { map: 'm'.repeat(257) }, 'TOO_LARGE'],
    ['with a map name of too many bytes', { map: 'ä'.repeat(129) }, 'TOO_LARGE'],
    ['with too long a key', { key: 'k'.repeat(1025) }, 'TOO_LARGE'],
    ['with too large a value', { value: 'v'.repeat(1024 * 1024) }, 'TOO_LARGE'],
    ['with no value', { bytes: value([]) }, 'INVALID_VALUE'],
    ['with a cut value', { bytes: value([0x92, 1]) }, 'INVALID_VALUE'],
    ['with bytes behind its value', { bytes: value([1, 1]) }, 'INVALID_VALUE'],
    ['with a value of an unknown type', { bytes: value([0xc1]) }, 'INVALID_VALUE'],
    ['with a value nested 65 deep', { bytes: value([...new Array<number>(65).fill(0x91), 1]) }, 'INVALID_VALUE'],
    ['of removal that carries a value', { tag: Tag.LWW_REMOVE, bytes: value([1]) }, 'INVALID_VALUE'],
    ['of removal that expires', { tag: Tag.LWW_REMOVE, expires: WALL + 5 }, 'INVALID_VALUE'],
    ['from the future', { ms: WALL + 60_001 }, 'CLOCK_DRIFT'],
    ['of another client', { replica: replicaOf('c2', 'ann') }, 'FORBIDDEN'],
    ['of another subject', { replica: replicaOf('c1', 'bob') }, 'FORBIDDEN'],
    ['of a client whose id begins like ours', { replica: replicaOf('c1x', 'ann') }, 'FORBIDDEN'],
    ['with too short an incarnation', { replica: replicaOf('c1', 'ann', 'abc') }, 'FORBIDDEN'],
    ['with an incarnation that hides another id', { replica: replicaOf('c1', 'ann', 'a.b.c.d.') }, 'FORBIDDEN'],
    ['with nothing between client and subject', { replica: own.replace('.abcd1234', '') }, 'FORBIDDEN'],
    ['to remove elements named by garbage', { tag: Tag.OR_REMOVE, bytes: value([0xff, 0xff]) }, 'INVALID_VALUE'],
    ['to remove no elements', { tag: Tag.OR_REMOVE, bytes: encodeStamps([]) }, 'INVALID_VALUE'],
    ['to remove elements of the future', { tag: Tag.OR_REMOVE, bytes: stamps(WALL + 60_001) }, 'INVALID_VALUE'],
    ['to count with garbage', { tag: Tag.COUNTER_ADD, bytes: value([1]) }, 'INVALID_VALUE'],
    ['to max out a counter', { tag: Tag.COUNTER_ADD, bytes: encodeTotals(2 ** 53 - 1, 0) }, 'INVALID_VALUE'],
  ])('%s', async (_, row, code) => {
    const harness = sessionHarness();
    const client = await harness.join();
    client.sendBatch(1, ops(row));
    expect(client.ack).toEqual({ ranges: [], rejected: [`0 ${code}`] });
    expect(harness.plane.writes).toEqual([]);
  });

  it.each([
    ['a removal', { tag: Tag.LWW_REMOVE }],
    ['a value with a time to live', { expires: WALL + 1_000 }],
    ['an element', { tag: Tag.OR_ADD, value: { a: 1 } }],
    ['a removal of elements', { tag: Tag.OR_REMOVE, bytes: stamps(WALL - 5, WALL - 4) }],
    ['a count', { tag: Tag.COUNTER_ADD, bytes: encodeTotals(3, 1) }],
    ['a value nested 64 deep', { bytes: value([...new Array<number>(64).fill(0x91), 1]) }],
    ['a key of __proto__', { key: '__proto__', map: 'constructor' }],
    ['an empty key', { key: '' }],
    ['a key with NUL and newline', { key: 'a\0b\nc' }],
    ['a clock that is ahead a little', { ms: WALL + 60_000 }],
  ])('never for %s', async (_, row) => {
    const client = await sessionHarness().join();
    client.sendBatch(1, ops(row));
    expect(client.ack).toEqual({ ranges: [0, 1], rejected: [] });
  });
});

describe('the rate of operations', () => {
  const limits = { maxOpsPerSecond: 10 };

  it('lets a burst of twice the rate pass, and refuses the rest as transient', async () => {
    const harness = sessionHarness({ limits });
    const client = await harness.join();
    client.sendBatch(1, ops(...new Array<object>(25).fill({})));
    expect(client.ack?.ranges).toEqual([0, 20]);
    expect(client.ack?.rejected).toHaveLength(5);
    expect(client.ack?.rejected[0]).toBe('20 RATE_LIMITED');
    harness.runtime.advance(1_000);
    client.sendBatch(2, ops(...new Array<object>(25).fill({})));
    expect(client.ack?.ranges).toEqual([0, 10]);
  });

  it('belongs to the subject: another connection or client id does not refill it', async () => {
    const harness = sessionHarness({ limits });
    const first = await harness.join();
    first.sendBatch(1, ops(...new Array<object>(20).fill({})));
    first.session.onClosed();
    const second = await harness.join('ann-token', 'c9');
    second.sendBatch(1, ops({ replica: replicaOf('c9', 'ann') }));
    expect(second.ack?.rejected).toEqual(['0 RATE_LIMITED']);
    const other = await harness.join('bob-token', 'c3');
    other.sendBatch(1, ops({ replica: replicaOf('c3', 'bob') }));
    expect(other.ack?.rejected).toEqual([]);
  });

  it('holds for what is under way as well: bytes that wait for the log are bounded', async () => {
    const harness = sessionHarness({ limits: { maxFrameBytes: 2_000 } });
    const client = await harness.join();
    harness.plane.acksAtOnce = false;
    const large = ops({ value: 'x'.repeat(1_500) });
    for (let batch = 0; batch < 3; batch++) client.sendBatch(batch, large);
    expect(harness.plane.writes).toHaveLength(2);
    expect(client.ack).toEqual({ ranges: [], rejected: ['0 RATE_LIMITED'] });
    harness.plane.writes[0]?.done([], []);
    client.sendBatch(3, large);
    expect(harness.plane.writes).toHaveLength(3);
  });
});

describe('writing where rules look at rows', () => {
  const permissions = [
    { maps: 'todos', allow: ['read', 'write'] as const, where: { owner: '$sub' } },
    { maps: 'inbox', allow: ['write'] as const, where: { _key: { $startsWith: 'public/' } } },
    { maps: 'log', roles: ['admin'], allow: ['write'] as const },
  ];
  const mine = { owner: 'ann' };
  const theirs = { owner: 'bob' };

  it.each([
    ['a new row of one’s own', undefined, { value: mine }, []],
    ['over a row of one’s own', mine, { value: mine }, []],
    ['a row in another’s name', undefined, { value: theirs }, ['0 FORBIDDEN']],
    ['over another’s row', theirs, { value: mine }, ['0 FORBIDDEN']],
    ['one’s own row away to another', mine, { value: theirs }, ['0 FORBIDDEN']],
    ['a removal of one’s own row', mine, { tag: Tag.LWW_REMOVE }, []],
    ['a removal of another’s row', theirs, { tag: Tag.LWW_REMOVE }, ['0 FORBIDDEN']],
    ['a removal of a row that is gone already', undefined, { tag: Tag.LWW_REMOVE }, []],
    ['an element, whose set nobody can judge', undefined, { tag: Tag.OR_ADD, value: mine }, ['0 FORBIDDEN']],
  ])('%s', async (_, present, row, rejected) => {
    const harness = sessionHarness({ permissions });
    if (present !== undefined) harness.plane.rows.set('todos/k0', present);
    const client = await harness.join();
    client.sendBatch(1, ops(row));
    expect(client.ack?.rejected).toEqual(rejected);
  });

  it('says the same of a hidden row and of a map that is forbidden altogether', async () => {
    const harness = sessionHarness({ permissions });
    harness.plane.rows.set('todos/k0', theirs);
    const client = await harness.join();
    client.sendBatch(1, ops({ value: mine }, { map: 'log' }, { map: 'nowhere' }));
    const [hidden, ...others] = client.peer.all('OP_ACK')[0]?.rejected ?? [];
    expect(others).toHaveLength(2);
    for (const other of others) expect({ ...other, index: 0 }).toEqual(hidden);
  });

  it('is judged map by map within one batch', async () => {
    const client = await sessionHarness({ permissions: [{ maps: 'a', allow: ['write'] }] }).join();
    client.sendBatch(1, ops({ map: 'a' }, { map: 'b' }, { map: 'a' }, { map: 'c' }));
    expect(client.ack).toEqual({ ranges: [0, 1, 2, 1], rejected: ['1 FORBIDDEN', '3 FORBIDDEN'] });
  });

  it('by key alone holds for every kind of record', async () => {
    const client = await sessionHarness({ permissions }).join();
    const count = { map: 'inbox', tag: Tag.COUNTER_ADD, bytes: encodeTotals(1, 0) };
    client.sendBatch(1, ops({ ...count, key: 'public/a' }, { ...count, key: 'private/a' }));
    expect(client.ack).toEqual({ ranges: [0, 1], rejected: ['1 FORBIDDEN'] });
  });

  it('waits while another subject writes the same key, because nobody knows yet whose row it will be', async () => {
    const harness = sessionHarness({ permissions });
    harness.plane.acksAtOnce = false;
    const bob = await harness.join('bob-token', 'c2');
    bob.sendBatch(1, ops({ key: 'free', value: theirs, replica: replicaOf('c2', 'bob') }));
    const ann = await harness.join();
    ann.sendBatch(1, ops({ key: 'free', value: mine }));
    expect(ann.ack?.rejected).toEqual(['0 UNAVAILABLE']);
    harness.plane.writes[0]?.done([], []);
    harness.plane.acksAtOnce = true;
    harness.plane.rows.set('todos/free', theirs);
    ann.sendBatch(2, ops({ key: 'free', value: mine }));
    expect(ann.ack?.rejected).toEqual(['0 FORBIDDEN']);
  });

  it('is refused as transient while the row cannot be read', async () => {
    const harness = sessionHarness({ permissions });
    harness.plane.readError = new TopGunError('UNAVAILABLE', 'restoring shard 3 of secret');
    const client = await harness.join();
    client.sendBatch(1, ops({ value: mine }));
    expect(client.ack?.rejected).toEqual(['0 UNAVAILABLE']);
  });

  it('judges the very bytes that are written', async () => {
    const harness = sessionHarness({ permissions });
    const client = await harness.join();
    client.sendBatch(1, ops({ bytes: encodeValue({ ['__proto__']: { owner: 'ann' } }) }));
    expect(client.ack?.rejected).toEqual(['0 FORBIDDEN']);
  });
});

describe('ackRanges', () => {
  it.each([
    [0, [], []],
    [3, [], [0, 3]],
    [3, [0], [1, 2]],
    [3, [2], [0, 2]],
    [5, [3, 1], [0, 1, 2, 1, 4, 1]],
    [2, [0, 1], []],
  ])('of %i rows without %j are %j', (count, indexes, ranges) => {
    const rejected = indexes.map((index) => ({ index, code: 'FORBIDDEN', message: '' }) as const);
    expect(ackRanges(count, rejected)).toEqual(ranges);
  });
});
