import { encodeValue, Tag } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import type { Rule } from '../../packages/server/src/permissions/Rule.js';
import { CloseCode } from '../../packages/server/src/session/CloseCode.js';
import { type ClusterClient, ForwardCluster } from '../../packages/server/src/testing/ForwardCluster.js';
import { auth, ops, replicaOf, WALL } from '../../packages/server/src/testing/sessionHarness.js';
import { mentions, rowsIn } from './support/Attacker.js';

const RULES: readonly Rule[] = [
  { maps: 'open', allow: ['read', 'write'] },
  { maps: 'notes', allow: ['read', 'write'], where: { owner: '$sub' } },
  { roles: ['admin'], maps: '*', allow: ['read', 'write'] },
  { roles: ['admin'], topics: '*', allow: ['publish', 'subscribe'] },
];
const EVERYTHING: readonly Rule[] = [
  { maps: '*', allow: ['read', 'write'] },
  { topics: '*', allow: ['publish', 'subscribe'] },
];
/** Long enough for whatever was sent to be answered. */
const ANSWERED_MS = 60;

/** Eve is connected to `a`; what she is after is in shards 1 and 2, of `b` and `c`. */
async function world(options: { readonly laxEntry?: boolean } = {}) {
  const cluster = await ForwardCluster.start(
    options.laxEntry === true ? { nodes: ['b', 'c'], rules: RULES } : { rules: RULES },
  );
  if (options.laxEntry === true) await cluster.add('a', EVERYTHING);
  for (const node of cluster.nodes.values()) {
    node.tokens.add('root-token', 'root', { roles: ['admin'] });
    node.tokens.add('eve-token', 'eve');
    node.tokens.add('eve-admin', 'eve', { roles: ['admin'] });
    node.tokens.add('eve-short', 'eve', { roles: ['admin'], expiresAt: cluster.runtime.now() + 10_000 });
  }
  const keys = cluster.node('b').view.map.owners.map((_, shard) => cluster.keyIn(shard));
  const root = await cluster.node('b').join('root-token', 'c-root');
  const all = (value: unknown): Record<string, unknown> => Object.fromEntries(keys.map((key) => [key, value]));
  root.set(all('HUSH'), { map: 'secret' });
  root.set(all({ owner: 'ann', word: 'HUSH' }), { map: 'notes' });
  await cluster.settle(ANSWERED_MS);
  const join = (token = 'eve-token'): Promise<ClusterClient> => cluster.node('a').join(token, 'c-eve');
  return { cluster, root, keys, all, join };
}

/** What every node holds of the keys, whoever owns them. */
function holdings(cluster: ForwardCluster, keys: readonly string[]): unknown[] {
  return [...cluster.nodes.values()].flatMap(({ plane, id, view }) =>
    keys.flatMap((key, shard) =>
      view.map.nodes[view.map.owners[shard] ?? -1]?.id === id
        ? ['secret', 'notes', 'open'].map((map) => plane.read(map, key)?.value)
        : [],
    ),
  );
}

const QUERIES = [
  {},
  { where: { word: 'HUSH' } },
  { where: { owner: 'ann' } },
  { where: { $or: [{}, { owner: 'ann' }] } },
  { sort: { word: 'asc' }, limit: 3 },
  { where: { owner: { $ne: 'eve' } }, limit: 5, offset: 0 },
];

describe.each([
  ['whose rules are the same everywhere', false],
  ['of which the node of the client allows everything', true],
])('a cluster %s', (_, laxEntry) => {
  it('takes no operation from those who may not, wherever the key is', async () => {
    const { cluster, keys, join } = await world({ laxEntry });
    const eve = await join();
    const before = holdings(cluster, keys);
    const replica = replicaOf('c-eve', 'eve');
    for (const map of ['secret', 'notes']) {
      for (const key of keys) {
        for (const row of [
          { value: { owner: 'eve' }, ms: WALL + 60_000 },
          { tag: Tag.LWW_REMOVE },
          { tag: Tag.OR_ADD },
          { value: 1 },
        ]) {
          const batch = ops({ map, key, replica, ...row });
          for (const routed of [false, true]) {
            eve.send({ type: 'OP_BATCH', batchId: 1, routed, mapVersion: 1, ops: batch });
          }
        }
      }
    }
    await cluster.settle(ANSWERED_MS);
    expect(holdings(cluster, keys)).toEqual(before);
    const acks = eve.peer.all('OP_ACK');
    // Those that were routed to a node that does not own them are sent away, by whoever they are.
    expect(acks.flatMap(({ ranges }) => ranges)).toEqual([]);
    const codes = acks.flatMap(({ rejected }) => rejected.map(({ code }) => code));
    expect(new Set(codes)).toEqual(new Set(['FORBIDDEN']));
    expect(codes.length).toBeGreaterThanOrEqual(keys.length * 8);
  });

  it('takes none in the name of others', async () => {
    const { cluster, keys, join } = await world({ laxEntry });
    const eve = await join();
    const before = holdings(cluster, keys);
    for (const replica of [
      replicaOf('c-root', 'root'),
      replicaOf('c-eve', 'root'),
      replicaOf('c-root', 'eve'),
      `${replicaOf('c-eve', 'eve')}.x`,
    ]) {
      const rows = keys.map((key) => ({ map: 'open', key, replica }));
      eve.send({ type: 'OP_BATCH', batchId: 1, routed: false, mapVersion: 1, ops: ops(...rows) });
    }
    await cluster.settle(ANSWERED_MS);
    expect(eve.peer.all('OP_ACK')).toHaveLength(4);
    for (const { ranges, rejected } of eve.peer.all('OP_ACK')) {
      expect(ranges).toEqual([]);
      expect(new Set(rejected.map(({ code }) => code))).toEqual(new Set(['FORBIDDEN']));
    }
    expect(holdings(cluster, keys)).toEqual(before);
  });

  it('shows nobody a row that is not for them, by any query, window or key, as it is or as it becomes', async () => {
    const { cluster, root, keys, all, join } = await world({ laxEntry });
    const eve = await join();
    const pinned = keys.map((key) => ({ where: { _key: key } }));
    const queries = [...QUERIES, ...pinned, { where: { _key: { $in: keys } } }];
    let queryId = 1;
    for (const map of ['secret', 'notes', 'absent']) {
      for (const query of queries) eve.subscribe(query, { queryId: queryId++, map });
      eve.subscribe({}, { queryId: queryId++, map, shards: keys.map((_, shard) => shard) });
      eve.subscribe({}, { queryId: queryId++, map, shards: [1] });
    }
    await cluster.settle(ANSWERED_MS);
    root.set(all('HUSH again'), { map: 'secret', ms: 10 });
    root.set(all({ owner: 'bob', word: 'HUSH again' }), { map: 'notes', ms: 10 });
    await cluster.settle(ANSWERED_MS);
    root.set(all(undefined), { map: 'notes', ms: 20 });
    await cluster.settle(ANSWERED_MS);
    expect(rowsIn(eve.peer.messages)).toEqual([]);
    expect(mentions(eve.peer.messages, 'HUSH')).toBe(false);
    expect(mentions(eve.peer.messages, keys[1] ?? '')).toBe(false);
    expect(eve.session.state).toBe('active');
  });

  it('takes a row away by one removal when it becomes somebody else’s', async () => {
    const { cluster, root, keys, all, join } = await world({ laxEntry });
    root.set(all({ owner: 'eve', rank: 1 }), { map: 'notes', ms: 5 });
    const eve = await join();
    await cluster.settle(ANSWERED_MS);
    eve.subscribe({}, { queryId: 1, map: 'notes' });
    eve.subscribe({ sort: { rank: 'asc' }, limit: 20 }, { queryId: 2, map: 'notes' });
    await cluster.settle(ANSWERED_MS);
    const [first = ''] = keys;
    expect(Object.keys(eve.values(1))).toEqual([...keys].sort());
    expect(Object.keys(eve.values(2))).toEqual([...keys].sort());
    eve.peer.messages.length = 0;
    for (const ms of [10, 20]) {
      root.set(all({ owner: 'ann', word: 'HUSH' }), { map: 'notes', ms });
      await cluster.settle(ANSWERED_MS);
    }
    expect(eve.values(1)).toEqual({});
    expect(eve.values(2)).toEqual({});
    expect(rowsIn(eve.peer.messages).filter((row) => row === `${first} left`)).toHaveLength(2);
    expect(mentions(eve.peer.messages, 'HUSH')).toBe(false);
  });
});

describe('in a cluster', () => {
  it('a topic is neither heard nor spoken to from another node', async () => {
    const { cluster, root, join } = await world();
    const eve = await join();
    root.send({ type: 'TOPIC_SUB', topic: 'board' });
    eve.send({ type: 'TOPIC_SUB', topic: 'board' });
    await cluster.settle(ANSWERED_MS);
    eve.send({ type: 'TOPIC_PUB', topic: 'board', payload: encodeValue('from eve') });
    root.send({ type: 'TOPIC_PUB', topic: 'board', payload: encodeValue('HUSH') });
    await cluster.settle(ANSWERED_MS);
    expect(root.peer.all('TOPIC_MESSAGE')).toHaveLength(1);
    expect(eve.peer.all('TOPIC_MESSAGE')).toEqual([]);
    expect(eve.peer.all('ERROR').map(({ code }) => code)).toEqual(['FORBIDDEN', 'FORBIDDEN']);
  });

  it('a token with fewer rights takes back what the one before allowed, at every node', async () => {
    const { cluster, root, keys, all, join } = await world();
    const eve = await join('eve-admin');
    eve.send({ type: 'TOPIC_SUB', topic: 'board' });
    eve.subscribe({}, { queryId: 1, map: 'secret' });
    eve.subscribe({ sort: { word: 'asc' }, limit: 9 }, { queryId: 2, map: 'notes' });
    eve.subscribe({ where: { _key: { $in: keys } } }, { queryId: 3, map: 'notes' });
    await cluster.settle(ANSWERED_MS);
    expect(Object.keys(eve.values(1))).toHaveLength(keys.length);
    expect(Object.keys(eve.values(2))).toHaveLength(keys.length);
    // Under way, to a shard that nobody owns just now, when the rights go.
    cluster.move({ 1: '' });
    await cluster.settle(ANSWERED_MS);
    const waiting = eve.set({ [keys[1] ?? '']: 'from eve' }, { map: 'secret', ms: 50_000 });
    await cluster.settle(ANSWERED_MS);
    eve.send(auth({ token: 'eve-token', clientId: 'c-eve' }));
    await cluster.settle(ANSWERED_MS);
    cluster.move({ 1: 'b' });
    await cluster.settle(1_000);
    expect(eve.ack(waiting)).toEqual({ ranges: [], rejected: ['0 FORBIDDEN'] });
    for (const queryId of [2, 3]) expect(eve.values(queryId)).toEqual({});
    expect(eve.peer.all('ERROR').map(({ code, ref }) => [code, ref])).toEqual([
      ['FORBIDDEN', null],
      ['FORBIDDEN', 1],
    ]);
    eve.peer.messages.length = 0;
    root.set(all('HUSH again'), { map: 'secret', ms: 60_000 });
    root.set(all({ owner: 'ann', word: 'HUSH again' }), { map: 'notes', ms: 60_000 });
    root.send({ type: 'TOPIC_PUB', topic: 'board', payload: encodeValue('HUSH') });
    const refused = eve.set(all('from eve'), { map: 'secret', ms: 61_000 });
    await cluster.settle(ANSWERED_MS);
    expect(eve.ack(refused)?.ranges).toEqual([]);
    expect(mentions(eve.peer.messages, 'HUSH')).toBe(false);
    expect(cluster.node('b').plane.read('secret', keys[1] ?? '')?.value).toBe('HUSH again');
  });

  it.each([
    ['and its node says so', false],
    ['and its node hangs', true],
  ])('a session whose token ends is nowhere a second later, %s', async (_, hangs) => {
    const { cluster, root, keys, all, join } = await world();
    const eve = await join('eve-short');
    eve.subscribe({}, { queryId: 1, map: 'secret' });
    eve.set(all('by eve'), { map: 'open' });
    cluster.move({ 5: '' });
    await cluster.settle(9_000);
    const late = eve.set({ [keys[5] ?? '']: 'too late' }, { map: 'secret', ms: 50_000 });
    await cluster.settle(500);
    const sessions = (): number[] => ['b', 'c'].map((id) => cluster.node(id).counters.virtualSessions);
    // Root's is at c.
    expect(sessions()).toEqual([1, 2]);
    // What it says does not get out any more.
    if (hangs) cluster.node('a').bus.change = () => null;
    eve.peer.messages.length = 0;
    await cluster.settle(1_400);
    expect(sessions()).toEqual([0, 1]);
    expect(eve.peer.closed?.code).toBe(CloseCode.UNAUTHENTICATED);
    cluster.move({ 5: 'c' });
    root.set(all('HUSH again'), { map: 'secret', ms: 10 });
    await cluster.settle(2_000);
    expect(mentions(eve.peer.messages, 'HUSH again')).toBe(false);
    expect(eve.ack(late)?.ranges ?? []).toEqual([]);
    expect(cluster.node('c').plane.read('secret', keys[5] ?? '')?.value).toBe('HUSH again');
  });
});
