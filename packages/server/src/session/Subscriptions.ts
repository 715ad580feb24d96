import {
  canonicalQuery,
  encodeMessage,
  type Query,
  type QueryCost,
  type QuerySubMessage,
  queryCost,
  TopGunError,
  utf8Length,
  validateQuery,
  type Where,
} from '@topgunbuild/core';
import type { CompiledVerdict, Verdicts } from '../permissions/Verdicts.js';
import type { Stream, SubscribeSpec } from '../shard/DataPlane.js';
import type { TopicSubscriber } from '../topic/TopicHub.js';
import { ownersOf } from './ClusterView.js';
import type { Outbox } from './Outbox.js';
import { QueryBudget } from './QueryBudget.js';
import { tellable } from './Refusal.js';
import type { SessionRoutes } from './Routing.js';
import type { SessionPorts } from './SessionPorts.js';

interface LiveQuery {
  readonly map: string;
  readonly query: Query;
  readonly shards: readonly number[] | null;
  readonly verdict: CompiledVerdict;
  readonly cost: QueryCost;
  readonly stream: Stream;
}

/** What a client asks for when it subscribes. */
type Wish = Pick<SubscribeSpec, 'queryId' | 'map' | 'query' | 'logId' | 'cursors' | 'shards'>;

type Ports = Pick<
  SessionPorts,
  'nodeId' | 'limits' | 'plane' | 'topics' | 'counters' | 'cluster' | 'partitionMap' | 'streamsPerQuery'
>;

/** The live queries and topics of one session. What is refused is thrown as TopGunError. */
export class Subscriptions {
  readonly #ports: Ports;
  readonly #outbox: Outbox;
  readonly #queries = new Map<number, LiveQuery>();
  readonly #topics = new Set<string>();
  readonly #budget: QueryBudget;
  readonly #routes: SessionRoutes | null;
  readonly #subscriber: TopicSubscriber;
  #closed = false;

  /** `routes`: null where queries see what this node owns, and nothing else. */
  constructor(ports: Ports, outbox: Outbox, routes: SessionRoutes | null) {
    this.#ports = ports;
    this.#routes = routes;
    this.#budget = new QueryBudget(ports.streamsPerQuery);
    this.#outbox = outbox;
    this.#subscriber = { deliver: (frame) => this.#deliver(frame) };
  }

  get size(): number {
    return this.#queries.size + this.#topics.size;
  }

  /** Opens a live query; one of the same id gives way to it. @throws TopGunError */
  openQuery(message: QuerySubMessage, verdicts: Verdicts): void {
    const { queryId, map, logId, cursors, shards } = message;
    this.closeQuery(queryId);
    this.#checkRoom();
    this.#checkName(map);
    const verdict = verdicts.for('read', map);
    if (!verdict.allowed) throw new TopGunError('FORBIDDEN', 'not allowed to read this map');
    this.#checkShards(shards);
    this.#open({ queryId, map, query: validateQuery(message.query), logId, cursors, shards }, verdict);
  }

  closeQuery(queryId: number): void {
    const live = this.#queries.get(queryId);
    if (live === undefined) return;
    this.#queries.delete(queryId);
    this.#ports.counters.subscriptions--;
    this.#budget.give(live.cost);
    live.stream.close();
  }

  /** @throws TopGunError */
  openTopic(topic: string, verdicts: Verdicts): void {
    if (this.#topics.has(topic)) return;
    this.#checkRoom();
    this.#checkName(topic);
    if (!verdicts.for('subscribe', topic).allowed) throw new TopGunError('FORBIDDEN', notAllowed(topic));
    this.#topics.add(topic);
    this.#ports.counters.subscriptions++;
    this.#ports.topics.subscribe(topic, this.#subscriber);
  }

  closeTopic(topic: string): void {
    if (!this.#topics.delete(topic)) return;
    this.#ports.counters.subscriptions--;
    this.#ports.topics.unsubscribe(topic, this.#subscriber);
  }

  /** There is room again: streams that paused go on, one after the other, until there is none. */
  resume(): void {
    for (const { stream } of this.#queries.values()) {
      if (!this.#outbox.hasRoom) return;
      stream.resume();
    }
  }

  /**
   * The identity was renewed with other claims. What it may no longer see is taken back: QUERY_RESET tells the client to
   * keep of its rows only those that follow.
   */
  rejudge(verdicts: Verdicts): void {
    for (const topic of [...this.#topics]) {
      if (verdicts.for('subscribe', topic).allowed) continue;
      this.closeTopic(topic);
      this.#sendError(new TopGunError('FORBIDDEN', notAllowed(topic)), null);
    }
    for (const [queryId, live] of [...this.#queries]) {
      const verdict = verdicts.for('read', live.map);
      if (rowsOf(verdict) === rowsOf(live.verdict)) continue;
      this.closeQuery(queryId);
      this.#sendReset(queryId, live.shards);
      try {
        if (!verdict.allowed) throw new TopGunError('FORBIDDEN', 'not allowed to read this map any more');
        const { map, query, shards } = live;
        this.#open({ queryId, map, query, logId: null, cursors: [], shards }, verdict);
      } catch (error) {
        this.#sendError(error, queryId);
      }
    }
  }

  close(): void {
    this.#closed = true;
    for (const queryId of [...this.#queries.keys()]) this.closeQuery(queryId);
    for (const topic of [...this.#topics]) this.closeTopic(topic);
  }

  #open(wish: Wish, verdict: CompiledVerdict): void {
    const { queryId, map, query, shards } = wish;
    const cost = queryCost(query);
    this.#budget.check(cost);
    const stream = this.#stream(wish, verdict.rows?.where ?? null);
    if (stream === null) return;
    // Its first frames may have been too much for this peer and ended the session.
    if (this.#closed) {
      stream.close();
      return;
    }
    this.#queries.set(queryId, { map, query, shards, verdict, cost, stream });
    this.#budget.take(cost);
    this.#ports.counters.queriesOpened++;
    this.#ports.counters.subscriptions++;
  }

  /** Null: the shards are not here, and the peer was told so. */
  #stream(wish: Wish, restriction: Where | null): Stream | null {
    const { queryId, shards } = wish;
    if (shards === null && this.#routes !== null) {
      return this.#routes.subscribe({ ...wish, restriction, onMoved: () => undefined }, (error) => {
        this.closeQuery(queryId);
        this.#sendError(error, queryId);
      });
    }
    const onMoved = (): void => {
      this.closeQuery(queryId);
      this.#sendNotOwner(queryId, shards);
    };
    try {
      return this.#ports.plane.subscribe({ ...wish, restriction, onMoved }, this.#outbox);
    } catch (error) {
      if (!(error instanceof TopGunError) || error.code !== 'NOT_OWNER') throw error;
      this.#sendNotOwner(queryId, shards);
      return null;
    }
  }

  #sendNotOwner(ref: number, wanted: readonly number[] | null): void {
    const { plane, nodeId, cluster, counters } = this.#ports;
    const elsewhere = (wanted ?? []).filter((shard) => !plane.owns(shard));
    const known = ownersOf(cluster?.map ?? this.#ports.partitionMap(), elsewhere, nodeId);
    counters.notOwner++;
    this.#outbox.send(encodeMessage({ type: 'NOT_OWNER', ref, notOwner: known.filter(({ owner }) => owner !== '') }));
  }

  #deliver(frame: Uint8Array): void {
    if (this.#outbox.offer(frame)) this.#ports.counters.topicDelivered++;
    else this.#ports.counters.topicDropped++;
  }

  #checkRoom(): void {
    const maxSubscriptions = this.#ports.limits.maxSubscriptions * this.#ports.streamsPerQuery;
    if (this.size < maxSubscriptions) return;
    throw new TopGunError('LIMIT_EXCEEDED', `a session has at most ${maxSubscriptions} subscriptions; close some`);
  }

  #checkName(name: string): void {
    if (name === '') throw new TopGunError('INVALID_QUERY', 'the name of a map or topic must not be empty');
    if (utf8Length(name) > this.#ports.limits.maxNameBytes) throw new TopGunError('TOO_LARGE', 'the name is too long');
  }

  #checkShards(shards: readonly number[] | null): void {
    const { shardCount } = this.#ports.plane;
    if (shards === null || shards.every((shard) => shard < shardCount)) return;
    throw new TopGunError('INVALID_QUERY', `there are ${shardCount} shards, from 0 on`);
  }

  #sendReset(queryId: number, wanted: readonly number[] | null): void {
    const { logId, shardCount } = this.#ports.plane;
    const shards = wanted ?? Array.from({ length: shardCount }, (_, shard) => shard);
    this.#outbox.send(encodeMessage({ type: 'QUERY_RESET', queryId, logId, shards }));
  }

  #sendError(error: unknown, ref: number | null): void {
    const { code, message } = tellable(error);
    this.#ports.counters.errorsSent.add(code);
    this.#outbox.send(encodeMessage({ type: 'ERROR', code, message, ref }));
  }
}

/** Equal for verdicts that show the same rows. */
function rowsOf(verdict: CompiledVerdict): string {
  if (!verdict.allowed) return 'none';
  return verdict.rows === null ? 'all' : canonicalQuery({ where: verdict.rows.where });
}

function notAllowed(topic: string): string {
  return `not allowed to subscribe to topic ${JSON.stringify(topic)}`;
}
