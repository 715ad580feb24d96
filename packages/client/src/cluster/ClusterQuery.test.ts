import {
  EntryBatch,
  type QueryRecordsMessage,
  type QuerySubMessage,
  type ServerMessage,
  shardOfKey,
} from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { ClusterQuery, type QueryPart } from './ClusterQuery.js';
import type { PooledConnection } from './PoolNode.js';

const SHARDS = 4;
const subscription: QuerySubMessage = {
  ...{ type: 'QUERY_SUB', queryId: 7, map: 'm', query: {}, logId: null, cursors: [], shards: null },
};

/** A query over shards of a and b, with hands on everything that it asks for. */
function setUp(message: Partial<QuerySubMessage> = {}, isSmart = true) {
  const owners: (string | null)[] = ['a', 'b', 'a', 'b'];
  const connections = new Map<string, PooledConnection>();
  const connect = (id: string): PooledConnection => {
    const connection = {
      nodeId: id,
      isReady: true,
      standing: { hello: { logId: 'log' } },
    } as unknown as PooledConnection;
    connections.set(id, connection);
    return connection;
  };
  connect('a');
  connect('b');
  const opened: { part: QueryPart; message: QuerySubMessage }[] = [];
  const closed: QueryPart[] = [];
  const emitted: ServerMessage[] = [];
  const retries: (() => void)[] = [];
  const time = { now: 0 };
  const query = new ClusterQuery(
    { ...subscription, ...message },
    {
      isSmart,
      shardCount: () => SHARDS,
      ownerOfShard: (shard) => owners[shard] ?? null,
      connectionFor: (id) => (id === null ? [...connections.values()][0] : connections.get(id)) ?? null,
      open: (part, sub) => opened.push({ part, message: sub }) > 0,
      close: (part) => closed.push(part),
      emit: (one) => emitted.push(one),
      now: () => time.now,
      later: (_, run) => {
        retries.push(run);
        return () => retries.splice(retries.indexOf(run), 1);
      },
      onEnded: () => {},
    },
  );
  query.reconcile();
  const lose = (id: string): void => {
    const connection = connections.get(id);
    connections.delete(id);
    if (connection !== undefined) Object.assign(connection, { isReady: false });
  };
  return { query, owners, connect, lose, opened, closed, emitted, retries, time };
}

function records(cursors: readonly number[], last = false): QueryRecordsMessage {
  return { type: 'QUERY_RECORDS', queryId: 99, cursors, records: new EntryBatch(), initial: true, last };
}

const lasts = (emitted: readonly ServerMessage[]): boolean[] =>
  emitted.flatMap((message) => (message.type === 'QUERY_RECORDS' ? [message.last] : []));

describe('ClusterQuery', () => {
  it('asks each owner for its shards, and is complete with the last of them', () => {
    const { query, opened, emitted } = setUp();
    expect(opened.map(({ message }) => message.shards)).toEqual([
      [0, 2],
      [1, 3],
    ]);
    const [a, b] = opened.map(({ part }) => part) as [QueryPart, QueryPart];
    query.onRecords(a, records([0, 5, 2, 9], true));
    query.onRecords(b, records([1, 3]));
    query.onRecords(b, records([3, 4], true));
    query.onRecords(b, records([3, 5]));
    expect(lasts(emitted)).toEqual([false, false, true, false]);
    expect(emitted.every((message) => message.type === 'QUERY_RECORDS' && message.queryId === 7)).toBe(true);
  });

  it('is complete anew after a RESET', () => {
    const { query, opened, emitted } = setUp();
    const [a, b] = opened.map(({ part }) => part) as [QueryPart, QueryPart];
    for (const part of [a, b]) query.onRecords(part, records([], true));
    query.onReset(b, { type: 'QUERY_RESET', queryId: 99, logId: 'log', shards: [0, 1] });
    expect(emitted.at(-1)).toEqual({ type: 'QUERY_RESET', queryId: 7, logId: 'log', shards: [1] });
    query.onRecords(b, records([], true));
    expect(lasts(emitted)).toEqual([false, true, true]);
  });

  it('brings a shard to its new owner with the cursor that was reached, and leaves other nodes alone', () => {
    const { query, owners, opened, closed } = setUp();
    const [a, b] = opened.map(({ part }) => part) as [QueryPart, QueryPart];
    query.onRecords(a, records([0, 5, 2, 9], true));
    query.onRecords(b, records([1, 3, 3, 4], true));
    owners[2] = 'b';
    query.onNotOwner(a, { type: 'NOT_OWNER', ref: 1, notOwner: [] }, true);
    expect(closed).toEqual([a]);
    expect(opened.slice(2).map(({ message }) => [message.shards, message.logId, message.cursors])).toEqual([
      [[0], 'log', [0, 5]],
      [[2], 'log', [2, 9]],
    ]);
  });

  it('says that it holds nothing only while nothing has come', () => {
    const { query, owners, opened } = setUp();
    const [a] = opened.map(({ part }) => part) as [QueryPart];
    expect(opened[0]?.message.logId).toBeNull();
    query.onRecords(a, records([]));
    owners[0] = 'b';
    query.onNotOwner(a, { type: 'NOT_OWNER', ref: 1, notOwner: [] }, true);
    expect(opened.slice(2).map(({ message }) => [message.shards, message.logId, message.cursors])).toEqual([
      [[0], 'log', []],
      [[2], 'log', []],
    ]);
  });

  it('opens again what was lost with a connection, at the next one', () => {
    const { query, connect, lose, opened, retries } = setUp();
    const [, b] = opened.map(({ part }) => part) as [QueryPart, QueryPart];
    query.onRecords(b, records([1, 3, 3, 4], true));
    lose('b');
    query.reconcile();
    expect(opened).toHaveLength(2);
    expect(retries).toHaveLength(1);
    connect('b');
    query.reconcile();
    expect(opened[2]?.message).toMatchObject({ shards: [1, 3], logId: 'log', cursors: [1, 3, 3, 4] });
  });

  it('goes through another node when an owner stays out of reach, and back', () => {
    const { query, connect, lose, opened, time } = setUp();
    lose('b');
    query.reconcile();
    time.now = 2_500;
    query.reconcile();
    expect(opened[2]?.message.shards).toBeNull();
    expect(query.parts.size).toBe(1);
    connect('b');
    time.now = 3_000;
    query.reconcile();
    expect(query.parts.size).toBe(1);
    time.now = 6_000;
    query.reconcile();
    expect([...query.parts].map(({ shards }) => shards)).toEqual([
      [0, 2],
      [1, 3],
    ]);
  });

  it('waits for shards that nobody owns, without a detour: nobody else has them either', () => {
    const { query, owners, opened, time } = setUp();
    owners[0] = null;
    query.reconcile();
    time.now = 60_000;
    query.reconcile();
    expect(opened.some(({ message }) => message.shards === null)).toBe(false);
    owners[0] = 'b';
    query.reconcile();
    expect([...query.parts].flatMap(({ shards }) => shards).sort()).toEqual([0, 1, 2, 3]);
  });

  it('has one part a node for a window', () => {
    const { query, owners, opened } = setUp({ query: { limit: 3 } });
    const [a] = opened.map(({ part }) => part) as [QueryPart];
    owners[2] = 'b';
    query.onNotOwner(a, { type: 'NOT_OWNER', ref: 1, notOwner: [] }, true);
    expect([...query.parts].map(({ shards }) => shards)).toEqual([[0], [1, 2, 3]]);
  });

  it('asks only for the shards of the keys that it names', () => {
    const { opened } = setUp({ query: { where: { _key: 'k1' } } });
    expect(opened.map(({ message }) => message.shards)).toEqual([[shardOfKey('k1', SHARDS)]]);
  });

  it('asks one node for everything when that is wanted', () => {
    const { query, opened, emitted } = setUp({}, false);
    expect(opened.map(({ message }) => message.shards)).toEqual([null]);
    query.onRecords(opened[0]?.part as QueryPart, records([0, 1, 3, 1], true));
    expect(lasts(emitted)).toEqual([true]);
  });

  it('tells everything anew to whoever comes with the cursors of another log', () => {
    const { opened } = setUp({ logId: 'older', cursors: [0, 5, 1, 5] });
    expect(opened.map(({ message }) => [message.logId, message.cursors])).toEqual([
      ['older', []],
      ['older', []],
    ]);
  });

  it('ends with an error that time will not mend, and tries again after others', () => {
    const { query, opened, emitted, retries } = setUp();
    const [a, b] = opened.map(({ part }) => part) as [QueryPart, QueryPart];
    query.onError(a, { type: 'ERROR', code: 'UNAVAILABLE', message: 'busy', ref: 1 });
    expect(emitted).toEqual([]);
    retries[0]?.();
    expect(opened).toHaveLength(3);
    query.onError(b, { type: 'ERROR', code: 'FORBIDDEN', message: 'no', ref: 2 });
    expect(emitted).toEqual([{ type: 'ERROR', code: 'FORBIDDEN', message: 'no', ref: 7 }]);
    expect(query.parts.size).toBe(0);
  });
});
