import type { MessageCodecs } from './MessageCodec.js';
import { readNotOwner, writeNotOwner } from './sync.js';

/*
 * QUERY_SUB opens a stream of one map's records: all of them, or those that match. The client names its cursors, the
 * log sequence up to which it knows each shard; the server sends what changed since, then what changes. Each
 * QUERY_RECORDS moves the cursors it names, together with its records. A row that stopped matching comes as LEFT, a
 * deleted one as its tombstone. `last` comes once: from then on the client's rows are complete.
 *
 * A cursor that cannot be honoured (another log, or older than the tombstones that are still there) is answered by
 * QUERY_RESET for its shard: the full content follows, and when `last` comes the client drops what was not in it.
 *
 * A query with a limit has no cursors: it starts with QUERY_RESET of the shards it looks at, gets the rows of its window,
 * then what enters the window and, as LEFT, what leaves it. A window over shards of several nodes is the union of what
 * each sends as the window over its own shards: the client orders them and cuts off what is too much.
 *
 * Where shards have several owners, a client either leaves `shards` null, and the node it asks brings the streams of all
 * owners together, or it subscribes at each owner for the shards that are there. Such a stream ends with NOT_OWNER when one
 * of its shards goes elsewhere; the client goes on at the new owners, with its cursors. The order of changes of one
 * shard is the same everywhere; of several shards there is none.
 */
export const queryCodecs: MessageCodecs<'QUERY_SUB' | 'QUERY_UNSUB' | 'QUERY_RECORDS' | 'QUERY_RESET' | 'NOT_OWNER'> = {
  QUERY_SUB: {
    fields: (m) => [m.queryId, m.map, m.query, m.logId, m.cursors, m.shards],
    read: (f) => ({
      type: 'QUERY_SUB',
      queryId: f.uint('queryId'),
      map: f.text('map'),
      query: f.object('query'),
      logId: f.nullable(() => f.text('logId')),
      cursors: f.cursors('cursors'),
      shards: f.nullable(() => f.shards('shards')),
    }),
  },
  QUERY_UNSUB: {
    fields: (m) => [m.queryId],
    read: (f) => ({ type: 'QUERY_UNSUB', queryId: f.uint('queryId') }),
  },
  QUERY_RECORDS: {
    fields: (m) => [m.queryId, m.cursors, m.initial, m.last, m.records],
    read: (f) => ({
      type: 'QUERY_RECORDS',
      queryId: f.uint('queryId'),
      cursors: f.cursors('cursors'),
      initial: f.boolean('initial'),
      last: f.boolean('last'),
      records: f.entries('records'),
    }),
  },
  QUERY_RESET: {
    fields: (m) => [m.queryId, m.logId, m.shards],
    read: (f) => ({
      type: 'QUERY_RESET',
      queryId: f.uint('queryId'),
      logId: f.text('logId'),
      shards: f.shards('shards'),
    }),
  },
  NOT_OWNER: {
    fields: (m) => [m.ref, writeNotOwner(m.notOwner)],
    read: (f) => ({ type: 'NOT_OWNER', ref: f.uint('ref'), notOwner: readNotOwner(f) }),
  },
};
