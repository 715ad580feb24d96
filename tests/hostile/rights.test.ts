import { encodeStamps, encodeTotals, encodeValue, Tag } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import type { Rule } from '../../packages/server/src/permissions/Rule.js';
import { ops, replicaOf, WALL } from '../../packages/server/src/testing/sessionHarness.js';
import { Attacker, mentions, rowsIn } from './support/Attacker.js';
import { VirtualNode } from './support/VirtualNode.js';

const RULES: readonly Rule[] = [
  { maps: 'open', allow: ['read', 'write'] },
  { maps: 'notes', allow: ['read', 'write'], where: { owner: '$sub' } },
  { roles: ['admin'], maps: '*', allow: ['read', 'write'] },
  { roles: ['admin'], topics: '*', allow: ['publish', 'subscribe'] },
];

const stamp = { ms: WALL, counter: 1, replica: replicaOf('c-eve', 'eve') };
const EVERY_TAG = [
  { tag: Tag.LWW_SET, bytes: encodeValue({ owner: 'eve' }) },
  { tag: Tag.LWW_REMOVE, bytes: new Uint8Array(0) },
  { tag: Tag.OR_ADD, bytes: encodeValue('x') },
  { tag: Tag.OR_REMOVE, bytes: encodeStamps([stamp]) },
  { tag: Tag.COUNTER_ADD, bytes: encodeTotals(1, 0) },
  { tag: Tag.OR_STATE, bytes: new Uint8Array(2) },
  { tag: Tag.COUNTER_STATE, bytes: new Uint8Array(2) },
  { tag: Tag.LEFT, bytes: new Uint8Array(0) },
];

async function world(): Promise<{ node: VirtualNode; admin: Attacker; eve: Attacker }> {
  const node = await VirtualNode.start({}, RULES);
  const admin = await Attacker.join(node, 'root:admin');
  await admin.write(
    { map: 'secret', key: 'there', value: 'hush' },
    { map: 'notes', key: 'hers', value: { owner: 'ann', rank: 5 } },
  );
  return { node, admin, eve: await Attacker.join(node, 'eve') };
}

describe('without the right to it', () => {
  it.each(EVERY_TAG)(
    'an operation of tag $tag changes nothing, routed or not, and tells nothing of what is there',
    async (op) => {
      const { node, eve } = await world();
      const before = node.digest();
      const answers = [];
      for (const map of ['secret', 'absent']) {
        for (const key of ['there', 'not there']) {
          for (const routed of [false, true]) {
            answers.push(await eve.batch(ops({ map, key, replica: replicaOf('c-eve', 'eve'), ...op }), routed));
          }
        }
      }
      expect(new Set(answers.flat()).size).toBe(1);
      expect(answers.flat()[0]).toMatch(/^(FORBIDDEN|INVALID_VALUE)/);
      expect(node.digest()).toBe(before);
    },
  );

  it('a live query, a window and a cursor get the same answer, whether the map exists or not', async () => {
    const { node, eve } = await world();
    const before = node.digest();
    const resume = { logId: 'log-1', cursors: [0, 1, 1, 1, 2, 1, 3, 1] };
    for (const map of ['secret', 'absent', '*', 'secret\u0000', 'notes/../secret']) {
      await eve.subscribe(1, map);
      await eve.subscribe(1, map, { where: { rank: { $gt: 0 } }, sort: { rank: 'asc' }, limit: 10 });
      await eve.subscribe(1, map, {}, resume);
    }
    expect(new Set(eve.errors)).toEqual(new Set(['FORBIDDEN: not allowed to read this map']));
    expect(eve.errors).toHaveLength(15);
    expect(rowsIn(eve.take())).toEqual([]);
    expect(node.digest()).toBe(before);
  });

  it('a topic can be neither heard nor spoken to', async () => {
    const { node, admin, eve } = await world();
    await admin.send({ type: 'TOPIC_SUB', topic: 'board' });
    await eve.send({ type: 'TOPIC_SUB', topic: 'board' });
    await eve.send({ type: 'TOPIC_PUB', topic: 'board', payload: encodeValue('from eve') });
    await admin.send({ type: 'TOPIC_PUB', topic: 'board', payload: encodeValue('hush') });
    expect(admin.peer.all('TOPIC_MESSAGE')).toHaveLength(1);
    expect(mentions(eve.take(), 'hush')).toBe(false);
    expect(node.topics.size).toBe(1);
  });

  it('operations in the name of others are refused: another client, subject, incarnation, or slot of a counter', async () => {
    const { node, eve } = await world();
    const before = node.digest();
    const names = [
      replicaOf('c-root', 'root'),
      replicaOf('c-eve', 'root'),
      replicaOf('c-root', 'eve'),
      replicaOf('c-eve', 'eve', 'ABCD1234'),
      replicaOf('c-eve', 'eve', 'abcd1234.x'),
      `${replicaOf('c-eve', 'eve')}\u0000`,
      ` ${replicaOf('c-eve', 'eve')}`,
      '',
    ];
    for (const replica of names) {
      expect(await eve.batch(ops({ map: 'open', replica, tag: Tag.COUNTER_ADD, bytes: encodeTotals(9, 0) }))).toEqual([
        'FORBIDDEN: the operation was made by another client or subject',
      ]);
    }
    expect(node.digest()).toBe(before);
  });

  it('the client id of another subject is not to be had while that is connected', async () => {
    const { node } = await world();
    const thief = await Attacker.join(node, 'eve', 'c-root');
    expect(thief.peer.closed).not.toBeNull();
    expect(thief.peer.all('AUTH_ACK')).toEqual([]);
  });
});

describe('rows outside the permitted filter', () => {
  const PROBES = [
    {},
    { where: { owner: 'ann' } },
    { where: { $not: { owner: 'eve' } } },
    { where: { $or: [{}, { owner: 'ann' }] } },
    { where: { rank: 5 } },
    { where: { _key: 'hers' } },
    { where: { _key: { $in: ['hers', 'mine'] } } },
    { where: { rank: { $exists: true } } },
    { sort: { rank: 'desc' }, limit: 1 },
    { sort: { rank: 'desc' }, limit: 1, offset: 1 },
    { sort: { 'rank.deep': 'asc', _key: 'desc' }, limit: 10 },
    { where: { owner: { $ne: 'eve' } }, limit: 10 },
  ];

  /** Everything that eve is told, but for cursors, which count the writes of a shard whosesoever they are. */
  async function told(withHidden: boolean): Promise<string[]> {
    const node = await VirtualNode.start({}, RULES);
    const admin = await Attacker.join(node, 'root:admin');
    const eve = await Attacker.join(node, 'eve');
    await eve.write({ map: 'notes', key: 'mine', value: { owner: 'eve', rank: 1 }, ms: WALL });
    const hide = async (rank: number): Promise<void> => {
      if (withHidden)
        await admin.write(
          { map: 'notes', key: 'hers', value: { owner: 'ann', rank } },
          { map: 'notes', key: `more ${rank}`, value: { owner: 'ann', rank } },
        );
    };
    await hide(5);
    eve.take();
    for (const [queryId, query] of PROBES.entries()) await eve.subscribe(queryId, 'notes', query);
    await hide(6);
    if (withHidden) await admin.write({ map: 'notes', key: 'hers', tag: Tag.LWW_REMOVE });
    await eve.write({ map: 'notes', key: 'mine', value: { owner: 'eve', rank: 2 }, ms: WALL + 1 });
    return eve.take().map((message) => {
      if (message.type !== 'QUERY_RECORDS') return JSON.stringify(message);
      const { queryId, initial, last, records } = message;
      return JSON.stringify([queryId, initial, last, records.keys, records.tags, records.ms]);
    });
  }

  it('change nothing in what is told, by no filter, order, offset or key', async () => {
    expect(await told(true)).toEqual(await told(false));
  });

  it.each([
    ['a plain query', {}],
    ['a filter', { where: { rank: { $gte: 0 } } }],
    ['a window', { sort: { rank: 'asc' }, limit: 10 }],
    ['a query for the key', { where: { _key: 'n' } }],
  ])('are taken away by exactly one removal, and never shown, when a row becomes one: %s', async (_, query) => {
    const { admin, eve } = await world();
    await eve.write({ map: 'notes', key: 'n', value: { owner: 'eve', rank: 1 } });
    eve.take();
    await eve.subscribe(1, 'notes', query);
    expect(rowsIn(eve.take())).toEqual(['n']);
    await admin.write({ map: 'notes', key: 'n', value: { owner: 'ann', rank: 2, word: 'HUSH' } });
    const after = eve.take();
    expect(rowsIn(after)).toEqual(['n left']);
    await admin.write({ map: 'notes', key: 'n', value: { owner: 'ann', rank: 3, word: 'HUSH' } });
    await admin.write({ map: 'notes', key: 'n', tag: Tag.LWW_REMOVE });
    const later = eve.take();
    expect(rowsIn(later)).toEqual([]);
    expect(mentions([...after, ...later], 'HUSH')).toBe(false);
  });

  it.each([
    ['a plain query', {}],
    ['a window', { sort: { rank: 'asc' }, limit: 10 }],
  ])('stay hidden from a reader that was behind when a row became one: %s', async (_, query) => {
    const { admin, eve } = await world();
    await eve.write({ map: 'notes', key: 'n', value: { owner: 'eve', rank: 1 } });
    await eve.subscribe(1, 'notes', query);
    eve.peer.buffered = 2 ** 23;
    await admin.write({ map: 'notes', key: 'n', value: { owner: 'eve', rank: 2 } });
    await admin.write({ map: 'notes', key: 'n', value: { owner: 'ann', word: 'HUSH' } });
    eve.take();
    eve.peer.buffered = 0;
    eve.session.onDrain();
    await eve.node.settle();
    const messages = eve.take();
    expect(rowsIn(messages)).toEqual(['n left']);
    expect(mentions(messages, 'HUSH')).toBe(false);
  });

  it('are not reached by the cursors of somebody who sees more', async () => {
    const { admin, eve } = await world();
    await admin.subscribe(1, 'notes');
    const cursors = [...(admin.peer.all('QUERY_RECORDS').at(-1)?.cursors ?? [])];
    await admin.write(
      { map: 'notes', key: 'later', value: { owner: 'ann', word: 'HUSH' } },
      { map: 'notes', key: 'hers', tag: Tag.LWW_REMOVE },
    );
    await eve.subscribe(1, 'notes', {}, { logId: 'log-1', cursors });
    expect(eve.peer.all('QUERY_RESET')).toHaveLength(1);
    expect(rowsIn(eve.take())).toEqual([]);
  });

  it('cannot be written, and writing does not make a row visible that was not', async () => {
    const { node, admin, eve } = await world();
    await admin.subscribe(1, 'notes');
    const before = node.digest();
    expect(await eve.write({ map: 'notes', key: 'hers', value: { owner: 'eve' } })).toEqual([
      'FORBIDDEN: not allowed to write here',
    ]);
    expect(await eve.write({ map: 'notes', key: 'hers', tag: Tag.LWW_REMOVE })).toHaveLength(1);
    expect(await eve.write({ map: 'notes', key: 'new', value: { owner: 'ann' } })).toHaveLength(1);
    // Both in one batch: the second must not pass because of the first.
    expect(
      await eve.write(
        { map: 'notes', key: 'x', value: { owner: 'eve' } },
        { map: 'notes', key: 'x', value: { owner: 'ann' } },
      ),
    ).toHaveLength(1);
    expect(await eve.write({ map: 'notes', key: 's', tag: Tag.OR_ADD, value: 'x' })).toHaveLength(1);
    expect(node.plane.read('notes', 'x')?.value).toEqual({ owner: 'eve' });
    expect(node.digest()).not.toBe(before);
    expect(node.plane.read('notes', 'hers')?.value).toEqual({ owner: 'ann', rank: 5 });
  });
});

describe('rights that are taken away by a renewed token', () => {
  it('take back what is open, and what follows is judged by what is left', async () => {
    const { admin, node } = await world();
    const fallen = await Attacker.join(node, 'eve:admin', 'c-fallen');
    await fallen.write({ map: 'notes', key: 'own', value: { owner: 'eve' } });
    await fallen.subscribe(1, 'notes');
    await fallen.subscribe(2, 'secret');
    await fallen.subscribe(3, 'notes', { limit: 5, sort: { rank: 'asc' } });
    await fallen.send({ type: 'TOPIC_SUB', topic: 'board' });
    expect(rowsIn(fallen.take()).sort()).toEqual(['hers', 'hers', 'own', 'own', 'there']);

    await fallen.renew('eve');
    const after = fallen.take();
    expect(
      after.filter(({ type }) => type === 'QUERY_RESET').map((message) => 'queryId' in message && message.queryId),
    ).toEqual(expect.arrayContaining([1, 2, 3]));
    expect(rowsIn(after)).toEqual(['own', 'own']);
    await admin.write(
      { map: 'secret', key: 'there', value: 'HUSH' },
      { map: 'notes', key: 'hers', value: { owner: 'ann', word: 'HUSH' } },
    );
    await admin.send({ type: 'TOPIC_PUB', topic: 'board', payload: encodeValue('HUSH') });
    expect(mentions(fallen.take(), 'HUSH')).toBe(false);
    expect(await fallen.write({ map: 'secret', key: 'there', value: 1 })).toEqual([
      'FORBIDDEN: not allowed to write here',
    ]);
  });

  it('of another subject end the session', async () => {
    const { eve } = await world();
    await eve.renew('root:admin');
    expect(eve.peer.closed?.code).toBe(4403);
  });
});
