import {
  decodeClientMessage,
  decodeServerMessage,
  EntryBatch,
  encodeMessage,
  type QuerySubMessage,
} from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { Counters } from '../metrics/Counters.js';
import { FakePlane } from '../testing/FakePlane.js';
import { HandView } from '../testing/HandView.js';
import { ClusterQuery } from './ClusterQuery.js';
import { Owners } from './Owners.js';
import { RemoteSession } from './RemoteSession.js';

const SHARDS = 32;

/** A query of a client at node `a`, of which shards are at `b` and `c` only; both speak as the test says. */
class Fixture {
  readonly plane = new FakePlane();
  readonly subs = new Map<string, QuerySubMessage>();
  readonly sent: string[] = [];
  readonly query: ClusterQuery;
  readonly view = new HandView(Array.from({ length: SHARDS }, (_, shard) => (shard < 16 ? 'b' : 'c')));
  readonly #remotes = new Map<string, RemoteSession>();

  constructor(logId: string | null = null, cursors: readonly number[] = []) {
    const spec = {
      queryId: 7,
      map: 'todos',
      query: {},
      logId,
      cursors,
      restriction: null,
      shards: null,
      onMoved: () => undefined,
    };
    const owner = { hasRoom: true, onNotTaken: () => undefined, onLost: () => undefined, onFailure: () => undefined };
    this.query = new ClusterQuery(spec, {
      nodeId: 'a',
      plane: this.plane,
      owners: new Owners(this.view),
      counters: new Counters(),
      localSink: { hasRoom: true, send: () => undefined },
      send: (frame) => this.#note(frame),
      remote: (id) => {
        const known = this.#remotes.get(id) ?? new RemoteSession(id, owner, () => this.#channel(id));
        this.#remotes.set(id, known);
        return known;
      },
      later: () => () => undefined,
      onFailed: () => undefined,
      onClosed: () => undefined,
    });
    this.query.open();
  }

  /** What the node was asked for last. */
  sub(id: string): QuerySubMessage {
    const message = this.subs.get(id);
    if (message === undefined) throw new Error(`${id} was not asked`);
    return message;
  }

  records(id: string, { last = false, cursors = [] as number[] } = {}): void {
    const { queryId } = this.sub(id);
    const records = new EntryBatch();
    this.#say(id, encodeMessage({ type: 'QUERY_RECORDS', queryId, cursors, records, initial: true, last }));
  }

  reset(id: string, ...shards: number[]): void {
    this.#say(id, encodeMessage({ type: 'QUERY_RESET', queryId: this.sub(id).queryId, logId: 'log-1', shards }));
  }

  moved(id: string): void {
    this.#say(id, encodeMessage({ type: 'NOT_OWNER', ref: this.sub(id).queryId, notOwner: [] }));
    this.query.reconcile();
  }

  #say(id: string, frame: Uint8Array): void {
    this.#remotes.get(id)?.onFrame(frame);
  }

  #channel(id: string) {
    return {
      send: (frame: Uint8Array): void => {
        const message = decodeClientMessage(frame);
        if (message.type === 'QUERY_SUB') this.subs.set(id, message);
      },
      renew: () => undefined,
      onDrain: () => undefined,
      close: () => undefined,
    };
  }

  #note(frame: Uint8Array): void {
    const message = decodeServerMessage(frame);
    if (message.type === 'QUERY_RECORDS') this.sent.push(message.last ? 'last' : 'rows');
    else if (message.type === 'QUERY_RESET') this.sent.push(`reset ${message.shards.join()}`);
    if ('queryId' in message) expect(message.queryId).toBe(7);
  }
}

describe('a query over several nodes', () => {
  it('is complete when the last of them is', () => {
    const query = new Fixture();
    query.records('b', { last: true });
    query.records('c');
    query.records('c', { last: true });
    query.records('b', { last: true });
    expect(query.sent).toEqual(['rows', 'rows', 'last', 'rows']);
  });

  it('is complete again only when everything that was reset has come', () => {
    const query = new Fixture();
    query.records('b', { last: true });
    query.records('c', { last: true });
    query.reset('b', 1, 2);
    query.reset('c', 20);
    query.records('b', { last: true });
    query.records('c', { last: true });
    expect(query.sent).toEqual(['rows', 'last', 'reset 1,2', 'reset 20', 'rows', 'last']);
  });

  it('passes on no reset of shards that the part does not have', () => {
    const query = new Fixture();
    query.reset('b', 1, 20);
    expect(query.sent).toEqual(['reset 1']);
  });

  it('says to a node what the client has, until something was sent', () => {
    const query = new Fixture('log-1', [1, 10, 20, 30]);
    expect(query.sub('b')).toMatchObject({ logId: 'log-1', cursors: [1, 10] });
    expect(query.sub('c')).toMatchObject({ logId: 'log-1', cursors: [20, 30] });
    query.records('b', { cursors: [1, 11, 2, 5] });
    query.reset('b', 2);
    query.moved('b');
    expect(query.sub('b')).toMatchObject({ logId: 'log-1', cursors: [1, 11] });
  });

  it('of a client that has nothing begins from nothing, until something was sent', () => {
    const query = new Fixture();
    expect(query.sub('b')).toMatchObject({ logId: null, cursors: [] });
    query.moved('b');
    expect(query.sub('b')).toMatchObject({ logId: null, cursors: [] });
    query.records('b');
    query.moved('b');
    expect(query.sub('b')).toMatchObject({ logId: 'log-1', cursors: [] });
  });

  it('of a client of another log tells every node so, until the node has answered', () => {
    const query = new Fixture('log-0', [1, 10]);
    expect(query.sub('b')).toMatchObject({ logId: 'log-0', cursors: [] });
    query.moved('b');
    expect(query.sub('b')).toMatchObject({ logId: 'log-0', cursors: [] });
    query.reset('b', ...(query.sub('b').shards ?? []));
    query.records('b', { cursors: [1, 3] });
    query.moved('b');
    expect(query.sub('b')).toMatchObject({ logId: 'log-1', cursors: [1, 3] });
    expect(query.sub('c')).toMatchObject({ logId: 'log-0', cursors: [] });
  });

  it('hears nothing more of a part that has moved away', () => {
    const query = new Fixture();
    const before = query.sub('b');
    query.view.move({ 1: 'c' });
    query.query.reconcile();
    expect(query.sub('b').shards).not.toContain(1);
    expect(query.sub('b').queryId).not.toBe(before.queryId);
    query.subs.set('b', before);
    query.records('b', { last: true });
    expect(query.sent).toEqual([]);
  });
});
