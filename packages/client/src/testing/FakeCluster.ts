import {
  type ClientMessage,
  type CompiledQuery,
  compareStamps,
  compileQuery,
  DEFAULT_LIMITS,
  decodeClientMessage,
  decodeValue,
  EntryBatch,
  encodeMessage,
  mapDelta,
  type NotOwnerShard,
  type OpBatchMessage,
  type PartitionMap,
  PROTOCOL_VERSION,
  type Query,
  type QuerySubMessage,
  type Runtime,
  type ServerMessage,
  shardOfKey,
  Tag,
} from '@topgunbuild/core';
import type { MemoryPeer, MemoryTransport } from './MemoryTransport.js';

interface Sub {
  readonly message: QuerySubMessage;
  readonly compiled: CompiledQuery;
  /** Keys that the subscriber has as rows. */
  readonly members: Set<string>;
}

interface Session {
  readonly peer: MemoryPeer;
  readonly subs: Map<number, Sub>;
  readonly topics: Set<string>;
  map: PartitionMap;
}

interface Row {
  readonly index: number;
  readonly batch: EntryBatch;
  readonly seq: number;
}

export interface FakeNode {
  readonly id: string;
  endpoint: string;
  /** up · down: refuses · hung: takes connections and frames, and answers nothing */
  state: 'up' | 'down' | 'hung';
  sessions: Session[];
  readonly received: ClientMessage[];
  /** Ops are not answered, all else is. */
  isMute: boolean;
}

/** As much of a cluster as clients can tell: nodes that own shards, answer, forward, stream, move shards, and die. LWW only. */
export class FakeCluster {
  readonly runtime: Runtime;
  readonly #transport: MemoryTransport;
  readonly nodes = new Map<string, FakeNode>();
  clusterId = 'cluster-1';
  logId = 'log-1';
  map: PartitionMap;
  /** By shard: the current row of each map and key, in the order of change. */
  readonly #shards: Map<string, Row>[];
  readonly #seqs: number[];
  /** Every operation that was ever acked, by timestamp. */
  readonly acked = new Set<string>();
  /** How long a token lasts from when a node is shown it; 0: for ever. */
  tokenMs = 0;
  /** Whoever is asked for its map says this instead. */
  staleMap: PartitionMap | null = null;

  constructor(transport: MemoryTransport, runtime: Runtime, ids: readonly string[], shardCount = 8) {
    this.#transport = transport;
    this.runtime = runtime;
    this.#shards = Array.from({ length: shardCount }, () => new Map<string, Row>());
    this.#seqs = new Array<number>(shardCount).fill(0);
    this.map = {
      ...{ clusterId: this.clusterId, incarnation: 'i1', version: 1, shardCount },
      nodes: ids.map((id) => ({ id, endpoint: `ws://${id}/` })),
      owners: Array.from({ length: shardCount }, (_, shard) => shard % ids.length),
      epochs: new Array<number>(shardCount).fill(1),
    };
    for (const id of ids) this.add(id);
  }

  /** From now on it is another cluster, with another log. */
  replaceWith(clusterId: string, logId: string): void {
    this.clusterId = clusterId;
    this.logId = logId;
    this.map = { ...this.map, clusterId, incarnation: logId };
  }

  add(id: string, endpoint = `ws://${id}/`): FakeNode {
    const node: FakeNode = { id, endpoint, state: 'down', sessions: [], received: [], isMute: false };
    this.nodes.set(id, node);
    this.start(id);
    return node;
  }

  node(id: string): FakeNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  // --- what happens to nodes ---------------------------------------------------------------------------------------

  start(id: string, endpoint = this.node(id).endpoint): void {
    const node = this.node(id);
    node.endpoint = endpoint;
    node.state = 'up';
    this.#transport.listen(endpoint, (peer) => this.#accept(node, peer));
  }

  /** The process dies: connections break, new ones are refused. */
  kill(id: string): void {
    const node = this.node(id);
    node.state = 'down';
    this.#transport.refuse(node.endpoint);
    for (const { peer } of node.sessions) peer.close(1006);
    node.sessions = [];
  }

  /** The process stops: connections stay, and nothing comes any more. */
  hang(id: string): void {
    const node = this.node(id);
    node.state = 'hung';
    this.#transport.blackhole(node.endpoint);
    for (const { peer } of node.sessions) peer.freeze();
    node.sessions = [];
  }

  sayGoodbye(id: string, retryAfterMs = 1_000): void {
    for (const session of this.node(id).sessions)
      this.#say(session, { type: 'GOODBYE', reason: 'stops', retryAfterMs });
  }

  // --- the map -----------------------------------------------------------------------------------------------------

  ownerOf(key: string): string {
    return this.#owner(shardOfKey(key, this.map.shardCount)) ?? '';
  }

  /** Moves shards to their owners by `choose`, and tells everybody. Nodes that are down are not in the map. */
  move(choose: (shard: number, owner: string | null) => string | null, isTold = true): void {
    const up = [...this.nodes.values()].filter(({ state }) => state === 'up');
    const nodes = up.map(({ id, endpoint }) => ({ id, endpoint }));
    const epochs = [...this.map.epochs];
    const owners = this.map.owners.map((_, shard) => {
      const before = this.#owner(shard);
      const next = choose(shard, before);
      if (next !== before) epochs[shard] = (epochs[shard] ?? 0) + 1;
      return nodes.findIndex(({ id }) => id === next);
    });
    this.map = { ...this.map, version: this.map.version + 1, nodes, owners, epochs };
    for (const node of this.nodes.values()) {
      for (const session of node.sessions) {
        if (isTold) this.#tellMap(session);
        for (const [queryId, { message }] of session.subs) {
          const moved = (message.shards ?? []).filter((shard) => this.#owner(shard) !== node.id);
          if (moved.length === 0) continue;
          session.subs.delete(queryId);
          this.#say(session, { type: 'NOT_OWNER', ref: queryId, notOwner: moved.map((shard) => this.#told(shard)) });
        }
      }
    }
  }

  /** The shards of nodes that are not up go to those that are. */
  failOver(): void {
    const up = [...this.nodes.values()].filter(({ state }) => state === 'up').map(({ id }) => id);
    this.move((shard, owner) => (owner !== null && up.includes(owner) ? owner : (up[shard % up.length] ?? null)));
  }

  // --- data --------------------------------------------------------------------------------------------------------

  /** Another client writes. */
  write(map: string, key: string, value: Uint8Array | null, ms: number): void {
    const batch = new EntryBatch();
    if (value === null) batch.add(map, key, Tag.LWW_REMOVE, ms, 0, 'other.1.x', 0);
    else batch.add(map, key, Tag.LWW_SET, ms, 0, 'other.1.x', 0, value);
    this.#apply(batch, 0);
  }

  value(map: string, key: string): unknown {
    const row = this.#shards[shardOfKey(key, this.map.shardCount)]?.get(`${map}\n${key}`);
    return row === undefined || row.batch.tags[row.index] !== Tag.LWW_SET
      ? undefined
      : decodeValue(row.batch.bytes(row.index));
  }

  publish(topic: string, payload: Uint8Array): void {
    for (const node of this.nodes.values()) {
      if (node.state !== 'up') continue;
      for (const session of node.sessions) {
        if (!session.topics.has(topic)) continue;
        this.#say(session, { type: 'TOPIC_MESSAGE', topic, payload, publisherId: 'other', timestamp: 1 });
      }
    }
  }

  // --- inside ------------------------------------------------------------------------------------------------------

  #owner(shard: number): string | null {
    return this.map.nodes[this.map.owners[shard] ?? -1]?.id ?? null;
  }

  #told(shard: number): NotOwnerShard {
    const node = this.map.nodes[this.map.owners[shard] ?? -1];
    return { shard, owner: node?.id ?? '', endpoint: node?.endpoint ?? '', epoch: this.map.epochs[shard] ?? 0 };
  }

  #say(session: Session, message: ServerMessage): void {
    session.peer.send(encodeMessage(message));
  }

  #tellMap(session: Session): void {
    const delta = mapDelta(session.map, this.map);
    session.map = this.map;
    if (delta === null) this.#say(session, { type: 'PARTITION_MAP', map: this.map });
    else this.#say(session, { type: 'PARTITION_MAP_DELTA', delta });
  }

  #accept(node: FakeNode, peer: MemoryPeer): void {
    const session: Session = { peer, subs: new Map(), topics: new Set(), map: this.map };
    node.sessions.push(session);
    peer.onClose = () => {
      node.sessions = node.sessions.filter((other) => other !== session);
    };
    peer.onFrame = (bytes) => this.#onMessage(node, session, decodeClientMessage(bytes));
    const { clusterId, logId } = this;
    const hello = { protocol: PROTOCOL_VERSION, nodeId: node.id, clusterId, logId, limits: DEFAULT_LIMITS };
    this.#say(session, { type: 'AUTH_REQUIRED', ...hello, serverTime: this.runtime.now() });
  }

  #onMessage(node: FakeNode, session: Session, message: ClientMessage): void {
    const serverTime = this.runtime.now();
    if (message.type !== 'PING') node.received.push(message);
    switch (message.type) {
      case 'AUTH': {
        session.map = this.staleMap ?? this.map;
        if (message.token === 'bad') this.#say(session, { type: 'AUTH_FAIL', code: 'AUTH_INVALID', message: 'no' });
        else {
          const subject = message.token ?? '';
          const expiresAt = this.tokenMs === 0 ? 0 : serverTime + this.tokenMs;
          this.#say(session, { type: 'AUTH_ACK', sessionId: 's', subject, expiresAt, serverTime, map: session.map });
        }
        return;
      }
      case 'PING':
        this.#say(session, { type: 'PONG', nonce: message.nonce, serverTime });
        return;
      case 'OP_BATCH':
        if (!node.isMute) this.#onOps(node, session, message);
        return;
      case 'QUERY_SUB':
        this.#onSub(node, session, message);
        return;
      case 'QUERY_UNSUB':
        session.subs.delete(message.queryId);
        return;
      case 'TOPIC_SUB':
        session.topics.add(message.topic);
        return;
      case 'TOPIC_UNSUB':
        session.topics.delete(message.topic);
        return;
      case 'TOPIC_PUB':
        this.publish(message.topic, message.payload);
        return;
      case 'PARTITION_MAP_REQUEST':
        session.map = this.staleMap ?? this.map;
        this.#say(session, { type: 'PARTITION_MAP', map: session.map });
    }
  }

  #onOps(node: FakeNode, session: Session, { batchId, ops, routed }: OpBatchMessage): void {
    const ranges: number[] = [];
    const rejected: { index: number; code: 'UNAVAILABLE'; message: string }[] = [];
    const notOwner = new Set<number>();
    for (let index = 0; index < ops.count; index++) {
      const shard = shardOfKey(ops.keys[index] as string, this.map.shardCount);
      const owner = this.#owner(shard);
      const isUp = owner !== null && this.node(owner).state === 'up';
      if (routed && owner !== node.id) notOwner.add(shard);
      else if (!isUp) rejected.push({ index, code: 'UNAVAILABLE', message: 'the owner is away' });
      else {
        this.#apply(ops, index);
        this.acked.add(`${ops.replicas[index]} ${ops.ms[index]} ${ops.counters[index]}`);
        ranges.push(index, 1);
      }
    }
    const elsewhere = [...notOwner].map((shard) => this.#told(shard));
    this.#say(session, { type: 'OP_ACK', batchId, ranges, rejected, notOwner: elsewhere });
  }

  #onSub(node: FakeNode, session: Session, message: QuerySubMessage): void {
    session.subs.delete(message.queryId);
    const shards = message.shards ?? this.#shards.map((_, shard) => shard);
    const moved = (message.shards ?? []).filter((shard) => this.#owner(shard) !== node.id);
    if (moved.length > 0) {
      this.#say(session, { type: 'NOT_OWNER', ref: message.queryId, notOwner: moved.map((s) => this.#told(s)) });
      return;
    }
    const compiled = compileQuery(message.query as Query);
    const sub: Sub = { message, compiled, members: new Set() };
    session.subs.set(message.queryId, sub);
    const { queryId } = message;
    if (compiled.query.limit !== undefined) {
      this.#say(session, { type: 'QUERY_RESET', queryId, logId: this.logId, shards });
      this.#showWindow(session, sub, true);
      return;
    }
    const cursors = new Map<number, number>();
    if (message.logId === this.logId) {
      for (let i = 0; i < message.cursors.length; i += 2) {
        cursors.set(message.cursors[i] as number, message.cursors[i + 1] as number);
      }
    }
    const reset = shards.filter((shard) => !cursors.has(shard) && (this.#seqs[shard] ?? 0) > 0);
    const isForeign = message.logId !== null && message.logId !== this.logId;
    if (message.logId !== null && reset.length > 0) {
      this.#say(session, { type: 'QUERY_RESET', queryId, logId: this.logId, shards: isForeign ? shards : reset });
    }
    const records = new EntryBatch();
    const reached: number[] = [];
    for (const shard of shards) {
      for (const row of this.#shards[shard]?.values() ?? []) {
        if (row.seq > (cursors.get(shard) ?? 0)) this.#addRow(records, sub, row, cursors.has(shard));
      }
      if ((this.#seqs[shard] ?? 0) > 0) reached.push(shard, this.#seqs[shard] as number);
    }
    this.#say(session, { type: 'QUERY_RECORDS', queryId, cursors: reached, records, initial: true, last: true });
  }

  /** Adds the row as a subscriber of `sub` gets it; `tellsLeft`: also if it does not match (any more). */
  #addRow(records: EntryBatch, { message, compiled }: Sub, { batch, index }: Row, tellsLeft: boolean): void {
    if (batch.maps[index] !== message.map) return;
    const key = batch.keys[index] as string;
    if (batch.tags[index] !== Tag.LWW_SET || compiled.matches(key, decodeValue(batch.bytes(index)))) {
      records.addFrom(batch, index);
    } else if (tellsLeft) records.add(message.map, key, Tag.LEFT, 0, 0, '', 0);
  }

  #apply(ops: EntryBatch, index: number): void {
    const key = ops.keys[index] as string;
    const shard = shardOfKey(key, this.map.shardCount);
    const rows = this.#shards[shard] as Map<string, Row>;
    const name = `${ops.maps[index]}\n${key}`;
    const old = rows.get(name);
    if (
      old !== undefined &&
      compareStamps(
        ops.ms[index] as number,
        ops.counters[index] as number,
        ops.replicas[index] as string,
        old.batch.ms[0] as number,
        old.batch.counters[0] as number,
        old.batch.replicas[0] as string,
      ) <= 0
    )
      return;
    const batch = new EntryBatch();
    batch.addFrom(ops, index);
    const seq = (this.#seqs[shard] ?? 0) + 1;
    this.#seqs[shard] = seq;
    const row: Row = { batch, index: 0, seq };
    rows.delete(name);
    rows.set(name, row);
    for (const node of this.nodes.values()) {
      if (node.state !== 'up') continue;
      for (const session of node.sessions) {
        for (const [queryId, sub] of session.subs) {
          const { message, compiled } = sub;
          if (message.map !== ops.maps[index]) continue;
          if (message.shards !== null && !message.shards.includes(shard)) continue;
          if (compiled.query.limit !== undefined) {
            this.#showWindow(session, sub, false, key);
            continue;
          }
          const records = new EntryBatch();
          this.#addRow(records, sub, row, true);
          this.#say(session, {
            type: 'QUERY_RECORDS',
            queryId,
            cursors: [shard, seq],
            records,
            initial: false,
            last: false,
          });
        }
      }
    }
  }

  /** The rows of a window over the subscription's shards: all of them, or what has changed with `changed`. */
  #showWindow(session: Session, sub: Sub, initial: boolean, changed = ''): void {
    const { message, compiled, members } = sub;
    const { limit = 0, offset = 0 } = compiled.query;
    const shards = message.shards ?? this.#shards.map((_, shard) => shard);
    const rows = shards
      .flatMap((shard) => [...(this.#shards[shard]?.values() ?? [])])
      .filter(({ batch }) => batch.maps[0] === message.map && batch.tags[0] === Tag.LWW_SET)
      .map((row) => ({ row, key: row.batch.keys[0] as string, value: decodeValue(row.batch.bytes(0)) }))
      .filter(({ key, value }) => compiled.matches(key, value))
      .sort((a, b) => compiled.compare(a.key, a.value, b.key, b.value))
      .slice(0, offset + limit);
    const records = new EntryBatch();
    const inside = new Set(rows.map(({ key }) => key));
    for (const key of members) if (!inside.has(key)) records.add(message.map, key, Tag.LEFT, 0, 0, '', 0);
    for (const { row, key } of rows) if (!members.has(key) || key === changed) records.addFrom(row.batch, 0);
    members.clear();
    for (const key of inside) members.add(key);
    if (!initial && records.count === 0) return;
    this.#say(session, {
      type: 'QUERY_RECORDS',
      queryId: message.queryId,
      cursors: [],
      records,
      initial,
      last: initial,
    });
  }
}
