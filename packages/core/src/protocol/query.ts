import type { MessageCodecs } from './MessageCodec.js';

/*
 * QUERY_SUB opens a stream of one map's records: all of them, or those that match. The client names its cursors, the
 * log sequence up to which it knows each shard; the server sends what changed since, then what changes. Each
 * QUERY_RECORDS moves the cursors it names, together with its records. A row that stopped matching comes as LEFT, a
 * deleted one as its tombstone. `last` comes once: from then on the client's rows are complete.
 *
 * A cursor that cannot be honoured (another log, or older than the tombstones that are still there) is answered by
 * QUERY_RESET for its shard: the full content follows, and when `last` comes the client drops what was not in it.
 *
 * A query with a limit has no cursors: it starts with QUERY_RESET of no shard in particular (an empty list), gets
 * the rows of its window, then what enters the window and, as LEFT, what leaves it.
 */
export const queryCodecs: MessageCodecs<'QUERY_SUB' | 'QUERY_UNSUB' | 'QUERY_RECORDS' | 'QUERY_RESET'> = {
  QUERY_SUB: {
    fields: (m) => [m.queryId, m.map, m.query, m.logId, m.cursors],
    read: (f) => ({
      type: 'QUERY_SUB',
      queryId: f.uint('queryId'),
      map: f.text('map'),
      query: f.object('query'),
      logId: f.nullable(() => f.text('logId')),
      cursors: f.cursors('cursors'),
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
};
