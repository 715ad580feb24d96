import {
  type ClientMessage,
  DEFAULT_LIMITS,
  EntryBatch,
  encodeMessage,
  encodeValue,
  type Limits,
  type ServerMessage,
  shardOfKey,
  Tag,
} from '@topgunbuild/core';
import { MemoryCluster } from '../backbone/MemoryCluster.js';
import type { MemoryClusterBackbone } from '../backbone/memory/MemoryClusterBackbone.js';
import { Forwarding } from '../forward/Forwarding.js';
import { Counters } from '../metrics/Counters.js';
import { createPermissions } from '../permissions/createPermissions.js';
import { RowGuard } from '../permissions/RowGuard.js';
import type { Rule } from '../permissions/Rule.js';
import { RateLimiter } from '../session/RateLimiter.js';
import type { Session } from '../session/Session.js';
import { Sessions } from '../session/Sessions.js';
import { LocalDataPlane } from '../shard/LocalDataPlane.js';
import type { Role } from '../shard/Role.js';
import { TopicBus } from '../topic/TopicBus.js';
import { TopicHub } from '../topic/TopicHub.js';
import { FaultyBus } from './FaultyBus.js';
import { HandView } from './HandView.js';
import { KeptLogger } from './KeptLogger.js';
import { MemoryPeer } from './MemoryPeer.js';
import { StreamClient } from './StreamClient.js';
import { auth, replicaOf, TokenTable } from './sessionHarness.js';
import { TestRuntime } from './TestRuntime.js';

export interface ForwardClusterOptions {
  readonly nodes?: readonly string[];
  readonly shardCount?: number;
  readonly limits?: Partial<Limits>;
  readonly rules?: readonly Rule[];
  readonly maxPayload?: number;
  readonly delay?: () => number;
}

const STEP_MS = 20;

/** Whole nodes without sockets or a controller: who owns what is as the test says. */
export class ForwardCluster {
  readonly runtime = new TestRuntime();
  readonly logger = new KeptLogger();
  readonly limits: Limits;
  readonly shardCount: number;
  readonly shared: MemoryCluster;
  readonly nodes = new Map<string, ForwardNode>();
  readonly #rules: readonly Rule[] | undefined;
  readonly #owners: readonly string[];

  private constructor({ nodes = ['a', 'b', 'c'], shardCount = 6, ...options }: ForwardClusterOptions) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.shardCount = shardCount;
    this.#rules = options.rules;
    this.shared = new MemoryCluster({
      runtime: this.runtime,
      shardCount,
      logger: this.logger,
      ...(options.maxPayload === undefined ? {} : { maxPayload: options.maxPayload }),
      ...(options.delay === undefined ? {} : { delay: options.delay }),
    });
    this.#owners = Array.from({ length: shardCount }, (_, shard) => nodes[shard % nodes.length] as string);
  }

  /** Shards go to the nodes in turn. */
  static async start(options: ForwardClusterOptions = {}): Promise<ForwardCluster> {
    const cluster = new ForwardCluster(options);
    for (const id of options.nodes ?? ['a', 'b', 'c']) await cluster.add(id);
    await cluster.settle(100);
    return cluster;
  }

  /** Starts a node; one of that name that was there must be dead. */
  async add(id: string, rules: readonly Rule[] | undefined = this.#rules): Promise<ForwardNode> {
    const { runtime, logger, limits, shardCount } = this;
    const backbone = this.shared.backbone();
    const opening = backbone.open();
    await this.settle(20);
    await opening;
    const known = [...this.nodes.values()].find((node) => node.isAlive && node.id !== id)?.view.map;
    const view = new HandView(this.#owners);
    for (; known !== undefined && view.map.version < known.version; ) view.move({});
    const plane = new LocalDataPlane({ nodeId: id, backbone, runtime, limits, shardCount, logger });
    await plane.open();
    const node = new ForwardNode(id, backbone, plane, view, rules, this);
    this.nodes.set(id, node);
    return node;
  }

  node(id: string): ForwardNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** A map in which these shards have other owners, for all nodes or those named. */
  move(owners: Readonly<Record<number, string>>, gone: readonly string[] = [], at?: readonly string[]): void {
    for (const [id, node] of this.nodes) {
      if (node.isAlive && (at === undefined || at.includes(id))) node.view.move(owners, gone);
    }
  }

  /** The process of the node ends without a word, and the shards that it had go to the others in turn. */
  kill(id: string): void {
    const node = this.node(id);
    node.kill();
    const others = [...this.nodes.values()].filter(({ isAlive }) => isAlive);
    const moved: Record<number, string> = {};
    others[0]?.view.map.owners.forEach((owner, shard) => {
      if (others[0]?.view.map.nodes[owner]?.id === id) moved[shard] = others[shard % others.length]?.id ?? '';
    });
    this.move(moved, [id]);
  }

  /** Lets promises run, and timers that fall due within `ms`. */
  async settle(ms = 0): Promise<void> {
    for (let left = ms; ; left -= STEP_MS) {
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      this.runtime.advance(Math.max(0, Math.min(left, STEP_MS)));
      if (left <= STEP_MS) break;
    }
    for (let turn = 0; turn < 6; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      this.runtime.advance(0);
    }
  }

  /** A key that lives in that shard. */
  keyIn(shard: number, number = 0): string {
    let left = number;
    for (let i = 0; ; i++) if (shardOfKey(`k${i}`, this.shardCount) === shard && left-- === 0) return `k${i}`;
  }
}

export class ForwardNode {
  readonly id: string;
  readonly backbone: MemoryClusterBackbone;
  readonly plane: LocalDataPlane;
  readonly view: HandView;
  readonly counters = new Counters();
  readonly tokens = new TokenTable();
  readonly sessions: Sessions;
  readonly forwarding: Forwarding;
  readonly topics: TopicHub;
  readonly bus: FaultyBus;
  readonly cluster: ForwardCluster;
  isAlive = true;
  #clients = 0;

  constructor(
    id: string,
    backbone: MemoryClusterBackbone,
    plane: LocalDataPlane,
    view: HandView,
    rules: readonly Rule[] | undefined,
    cluster: ForwardCluster,
  ) {
    const { runtime, logger, limits } = cluster;
    this.id = id;
    this.backbone = backbone;
    this.plane = plane;
    this.view = view;
    this.cluster = cluster;
    this.#host();
    view.onMap(() => this.#host());
    this.tokens.add('ann-token', 'ann');
    this.tokens.add('bob-token', 'bob');
    this.bus = new FaultyBus(backbone.cluster.bus);
    this.topics = new TopicHub(new TopicBus(this.bus, `${id}.${runtime.id()}`, logger));
    const ports = {
      nodeId: id,
      clusterId: plane.logId,
      runtime,
      limits,
      plane,
      authenticator: this.tokens,
      permissions: createPermissions(rules, logger),
      topics: this.topics,
      rates: new RateLimiter(runtime, limits),
      rowGuard: new RowGuard(),
      counters: this.counters,
      logger,
      partitionMap: () => view.map,
    };
    this.forwarding = new Forwarding({ bus: this.bus, view, ports });
    this.sessions = new Sessions({ ...ports, cluster: view, routing: this.forwarding, streamsPerQuery: 1 });
  }

  async join(token = 'ann-token', clientId = `${this.id}${this.#clients++}`): Promise<ClusterClient> {
    const peer = new RowsPeer(this.cluster.shardCount);
    const client = new ClusterClient(this.id, peer, this.sessions.accept(peer), clientId, token.split('-')[0] ?? '');
    client.send(auth({ token, clientId }));
    await new Promise((resolve) => setImmediate(resolve));
    return client;
  }

  kill(): void {
    this.isAlive = false;
    this.backbone.link.kill();
  }

  #host(): void {
    const { map } = this.view;
    const roles = map.owners.map((owner, shard): Role => {
      const isOwn = map.nodes[owner]?.id === this.id;
      return isOwn ? { name: 'owner', epoch: map.epochs[shard] ?? 1 } : { name: 'standby' };
    });
    if (this.isAlive) this.plane.setRoles(roles);
  }
}

/** Keeps messages, and rows by query. */
class RowsPeer extends MemoryPeer {
  readonly #shardCount: number;
  readonly rows = new Map<number, StreamClient>();

  constructor(shardCount: number) {
    super();
    this.#shardCount = shardCount;
  }

  query(id: number): StreamClient {
    const known = this.rows.get(id) ?? new StreamClient(this.#shardCount);
    this.rows.set(id, known);
    return known;
  }

  override send(frame: Uint8Array): void {
    super.send(frame);
    const message = this.last as ServerMessage;
    if (message.type === 'QUERY_RECORDS' || message.type === 'QUERY_RESET') this.query(message.queryId).send(frame);
  }
}

export class ClusterClient {
  readonly nodeId: string;
  readonly peer: RowsPeer;
  readonly session: Session;
  readonly clientId: string;
  readonly subject: string;
  #nextBatch = 1;
  #counter = 0;

  constructor(nodeId: string, peer: RowsPeer, session: Session, clientId: string, subject: string) {
    this.nodeId = nodeId;
    this.peer = peer;
    this.session = session;
    this.clientId = clientId;
    this.subject = subject;
  }

  send(message: ClientMessage): void {
    this.session.onFrame(encodeMessage(message));
  }

  /** Sets keys of a map in one batch, or removes those whose value is undefined; returns its id. */
  set(values: Readonly<Record<string, unknown>>, { map = 'todos', routed = false, ms = 0 } = {}): number {
    const ops = new EntryBatch();
    for (const [key, value] of Object.entries(values)) {
      const replica = replicaOf(this.clientId, this.subject);
      const at = 1_760_000_000_000 + ms;
      if (value === undefined) ops.add(map, key, Tag.LWW_REMOVE, at, this.#counter++, replica, 0);
      else ops.add(map, key, Tag.LWW_SET, at, this.#counter++, replica, 0, encodeValue(value));
    }
    const batchId = this.#nextBatch++;
    this.send({ type: 'OP_BATCH', batchId, routed, mapVersion: 1, ops });
    return batchId;
  }

  ack(batchId: number): { ranges: readonly number[]; rejected: readonly string[] } | null {
    const ack = this.peer.all('OP_ACK').find((message) => message.batchId === batchId);
    if (ack === undefined) return null;
    return { ranges: ack.ranges, rejected: ack.rejected.map(({ index, code }) => `${index} ${code}`) };
  }

  subscribe(query = {}, { queryId = 1, map = 'todos', shards = null as readonly number[] | null } = {}): StreamClient {
    const rows = this.peer.query(queryId);
    const logId = rows.cursors.size === 0 ? null : 'any';
    this.send({ type: 'QUERY_SUB', queryId, map, query, logId, cursors: rows.flatCursors(), shards });
    return rows;
  }

  /** What the rows of a query are, in the order of keys. */
  values(queryId = 1): Record<string, unknown> {
    const values = this.peer.query(queryId).values(0);
    return Object.fromEntries([...values].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
