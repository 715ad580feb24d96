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
} from '@topgunbuild/core';
import type { CompiledVerdict, Verdicts } from '../permissions/Verdicts.js';
import type { Stream } from '../shard/DataPlane.js';
import type { TopicSubscriber } from '../topic/TopicHub.js';
import type { Outbox } from './Outbox.js';
import { QueryBudget } from './QueryBudget.js';
import { tellable } from './Refusal.js';
import type { SessionPorts } from './SessionPorts.js';

interface LiveQuery {
  readonly map: string;
  readonly query: Query;
  readonly verdict: CompiledVerdict;
  readonly cost: QueryCost;
  readonly stream: Stream;
}

type Ports = Pick<SessionPorts, 'limits' | 'plane' | 'topics' | 'counters'>;

/** The live queries and topics of one session. What is refused is thrown as TopGunError. */
export class Subscriptions {
  readonly #ports: Ports;
  readonly #outbox: Outbox;
  readonly #queries = new Map<number, LiveQuery>();
  readonly #topics = new Set<string>();
  readonly #budget = new QueryBudget();
  readonly #subscriber: TopicSubscriber;
  #closed = false;

  constructor(ports: Ports, outbox: Outbox) {
    this.#ports = ports;
    this.#outbox = outbox;
    this.#subscriber = { deliver: (frame) => this.#deliver(frame) };
  }

  get size(): number {
    return this.#queries.size + this.#topics.size;
  }

  /** Opens a live query; one of the same id gives way to it. @throws TopGunError */
  openQuery(message: QuerySubMessage, verdicts: Verdicts): void {
    const { queryId, map, logId, cursors } = message;
    this.closeQuery(queryId);
    this.#checkRoom();
    this.#checkName(map);
    const verdict = verdicts.for('read', map);
    if (!verdict.allowed) throw new TopGunError('FORBIDDEN', 'not allowed to read this map');
    this.#open(queryId, map, validateQuery(message.query), logId, cursors, verdict);
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
      this.#sendReset(queryId);
      try {
        if (!verdict.allowed) throw new TopGunError('FORBIDDEN', 'not allowed to read this map any more');
        this.#open(queryId, live.map, live.query, null, [], verdict);
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

  #open(
    queryId: number,
    map: string,
    query: Query,
    logId: string | null,
    cursors: readonly number[],
    verdict: CompiledVerdict,
  ): void {
    const restriction = verdict.rows?.where ?? null;
    const cost = queryCost(query);
    this.#budget.check(cost);
    const spec = { queryId, map, query, logId, cursors, restriction, shards: null };
    const stream = this.#ports.plane.subscribe({ ...spec, onMoved: () => this.#onMoved(queryId) }, this.#outbox);
    // Its first frames may have been too much for this peer and ended the session.
    if (this.#closed) {
      stream.close();
      return;
    }
    this.#queries.set(queryId, { map, query, verdict, cost, stream });
    this.#budget.take(cost);
    this.#ports.counters.queriesOpened++;
    this.#ports.counters.subscriptions++;
  }

  #onMoved(queryId: number): void {
    this.closeQuery(queryId);
    this.#sendError(new TopGunError('NOT_OWNER', 'the data of this query has moved to another node'), queryId);
  }

  #deliver(frame: Uint8Array): void {
    if (this.#outbox.offer(frame)) this.#ports.counters.topicDelivered++;
    else this.#ports.counters.topicDropped++;
  }

  #checkRoom(): void {
    const { maxSubscriptions } = this.#ports.limits;
    if (this.size < maxSubscriptions) return;
    throw new TopGunError('LIMIT_EXCEEDED', `a session has at most ${maxSubscriptions} subscriptions; close some`);
  }

  #checkName(name: string): void {
    if (name === '') throw new TopGunError('INVALID_QUERY', 'the name of a map or topic must not be empty');
    if (utf8Length(name) > this.#ports.limits.maxNameBytes) throw new TopGunError('TOO_LARGE', 'the name is too long');
  }

  #sendReset(queryId: number): void {
    const { logId, shardCount } = this.#ports.plane;
    const shards = Array.from({ length: shardCount }, (_, shard) => shard);
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
