import { setTimeout as delay } from 'node:timers/promises';
import { TopGunClient } from '@topgunbuild/client';
import { PARTITION_COUNT, partitionOf } from '@topgunbuild/core';
import { DemoCluster, SHARDS } from './DemoCluster.js';
import { GapWatch } from './GapWatch.js';
import { count, ms, seconds } from './paint.js';
import { keyOf, ORDERS, type Order, STEP_MS, Traffic } from './Traffic.js';
import type { DemoView, NodeView } from './view.js';

export interface DemoOptions {
  readonly nodes: number;
  readonly ratePerSecond: number;
  readonly rounds: number;
  /** How long to leave things to the eye, ms. */
  readonly calmMs: number;
  readonly outageMs: number;
}

/** Hears what happens. */
export interface Stage {
  preparing(text: string): void;
  /** From now on there is something to see. */
  raised(demo: Demo): void;
  event(atMs: number, text: string): void;
  /** There is nothing to see any more. */
  close(): void;
}

export interface Summary {
  readonly acked: number;
  readonly rejected: number;
  readonly unanswered: number;
  readonly readBack: number;
  readonly lost: number;
  readonly longestGapMs: number;
  readonly longestOtherMs: number;
  readonly slowestMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rebalancedMs: number;
  readonly routes: DemoView['routes'];
  readonly mapVersion: number;
}

const START_MS = 20_000;
const TAKEOVER_MS = 5_000;
const RETURN_MS = 20_000;
const FLUSH_MS = 10_000;
const READER_ROWS = 5;
const POLL_MS = 15;
const ACK_STEPS = 95;
/** A map that has not changed for so long stays as it is. */
const SETTLED_MS = 600;

type NodeState = 'serving' | 'killed' | 'starting' | 'catching up';

/** The play: a cluster, an application that writes to it, and the death and return of nodes. */
export class Demo {
  readonly #options: DemoOptions;
  readonly #stage: Stage;
  readonly #signal: AbortSignal;
  readonly #cluster: DemoCluster;
  readonly #client: TopGunClient;
  readonly #reader: TopGunClient;
  readonly #events: { readonly atMs: number; readonly text: string }[] = [];
  readonly #states = new Map<string, NodeState>();
  readonly #keys = keysOfPartitions();
  #traffic: Traffic | null = null;
  #startedAt = performance.now();
  #headline = '';
  #isAlarm = false;
  #gap: GapWatch | null = null;
  #diedAt = 0;
  #longestGapMs = 0;
  #longestOtherMs = 0;
  #rebalancedMs = 0;
  #behindMs: number | null = null;

  private constructor(options: DemoOptions, stage: Stage, signal: AbortSignal, cluster: DemoCluster) {
    this.#options = options;
    this.#stage = stage;
    this.#signal = signal;
    this.#cluster = cluster;
    this.#client = new TopGunClient({ cluster: { seeds: [...cluster.urls] } });
    this.#reader = new TopGunClient({ cluster: { seeds: [...cluster.urls] } });
    for (const name of cluster.names) this.#states.set(name, 'serving');
  }

  /** Runs it from start to end, and clears away. @throws an error that says what did not start, or did not happen in time; the signal's reason */
  static async run(options: DemoOptions, stage: Stage, signal: AbortSignal): Promise<Summary> {
    const cluster = await DemoCluster.start({ ...options, signal }, (text) => stage.preparing(text));
    const demo = new Demo(options, stage, signal, cluster);
    try {
      return await demo.#play();
    } finally {
      stage.close();
      demo.#traffic?.stop();
      await Promise.all([demo.#client.close(), demo.#reader.close()]);
      await cluster.stop();
    }
  }

  async #play(): Promise<Summary> {
    const { calmMs, rounds } = this.#options;
    this.#stage.preparing('connecting a client to the cluster');
    await Promise.all([this.#client.start(), this.#reader.start()]);
    await this.#until('all nodes own their part', START_MS, () => this.#isWhole());
    this.#startedAt = performance.now();
    this.#traffic = new Traffic(this.#client, this.#options.ratePerSecond);
    this.#watchOrders(this.#traffic);
    this.#headline = 'One client writes to the owners of its keys';
    this.#say(
      `${this.#cluster.names.length} nodes serve ${PARTITION_COUNT} partitions; the client writes ${count(this.#options.ratePerSecond)} orders a second`,
    );
    this.#stage.raised(this);
    await this.#pause(calmMs);
    for (let round = 0; round < rounds; round++) await this.#round(this.#traffic);
    await this.#pause(calmMs);
    return await this.#verify(this.#traffic);
  }

  async #round(traffic: Traffic): Promise<void> {
    const { calmMs, outageMs } = this.#options;
    const key = keyOf(traffic.made);
    const victim = this.#client.getOwner(key)?.nodeId ?? this.#cluster.names[0] ?? '';
    for (let left = Math.min(3, Math.floor(calmMs / 1_000)); left > 0; left--) {
      this.#headline = `In ${left} s, ${victim} will be killed`;
      await this.#pause(1_000);
    }
    const gap = this.#kill(victim, traffic);
    await this.#until(`somebody else acknowledged a write to a key of ${victim}`, TAKEOVER_MS, () => gap.isOver);
    await this.#until('all its keys have a new owner', TAKEOVER_MS, () => this.#ownsNothing(victim));
    const gapMs = gap.gapMs(performance.now());
    this.#longestGapMs = Math.max(this.#longestGapMs, gapMs);
    this.#longestOtherMs = Math.max(this.#longestOtherMs, gap.longestOtherMs);
    this.#isAlarm = false;
    this.#headline = `${ms(gapMs)} later its keys are served by the others`;
    this.#say(`${ms(gapMs)} later its keys have new owners; all other keys waited ${ms(gap.longestOtherMs)} at most`);
    await this.#pause(outageMs);
    await this.#bringBack(victim);
  }

  #kill(victim: string, traffic: Traffic): GapWatch {
    const owners = this.#owners();
    const owned = owners.filter((owner) => owner === victim).length;
    this.#diedAt = performance.now();
    const pid = this.#cluster.kill(victim);
    const gap = new GapWatch(victim, owners, this.#diedAt);
    traffic.onAck = (partition, madeAt, now) => gap.onAck(partition, madeAt, now);
    this.#gap = gap;
    this.#states.set(victim, 'killed');
    this.#isAlarm = true;
    this.#headline = `${victim} was killed: its keys have no owner`;
    this.#say(`kill -9 ${pid}: ${victim}, owner of ${owned} partitions, is dead`);
    return gap;
  }

  async #bringBack(name: string): Promise<void> {
    const began = performance.now();
    this.#states.set(name, 'starting');
    this.#headline = `${name} is started again`;
    this.#say(`${name} is started again`);
    await this.#within(`${name} started`, RETURN_MS, this.#cluster.bringBack(name));
    this.#states.set(name, 'catching up');
    this.#say(`${name} is ready after ${seconds(performance.now() - began)}; it catches up before it owns anything`);
    const balancedAt = await this.#settled(`${name} has got its part again`);
    const tookMs = balancedAt - began;
    this.#rebalancedMs = Math.max(this.#rebalancedMs, tookMs);
    this.#states.set(name, 'serving');
    this.#headline = 'Balanced again';
    const parts = this.#cluster.names.map((one) => this.#partitionsOf(one)).join(' / ');
    this.#say(
      `balanced again ${seconds(tookMs)} after its start: ${parts} partitions (map v${this.#client.getPartitionMapVersion()})`,
    );
  }

  /** Waits until the nodes are balanced and the map does not change any more. Returns when it last did. */
  async #settled(what: string): Promise<number> {
    let version = -1;
    let changedAt = 0;
    await this.#until(what, RETURN_MS, () => {
      const now = performance.now();
      if (version !== this.#client.getPartitionMapVersion()) {
        version = this.#client.getPartitionMapVersion();
        changedAt = now;
      }
      return this.#isWhole() && now - changedAt > SETTLED_MS;
    });
    return changedAt;
  }

  /** Asks a client that has seen nothing yet for every single order. */
  async #verify(traffic: Traffic): Promise<Summary> {
    traffic.stop();
    this.#headline = 'A fresh client reads everything back';
    this.#say('no more writes; a fresh client reads everything back');
    // Whoever is not answered in time is counted as unanswered.
    await this.#client.flush({ timeoutMs: FLUSH_MS, signal: this.#signal }).catch(() => undefined);
    // What was answered is counted by callbacks that come after those of `flush`.
    await delay(0);
    const fresh = new TopGunClient({ cluster: { seeds: [...this.#cluster.urls] } });
    try {
      await fresh.start();
      const orders = fresh.getMap<Order>(ORDERS);
      await this.#within('a fresh client has read everything', START_MS, orders.synced());
      let lost = 0;
      for (let n = 0; n < traffic.made; n++) {
        if (traffic.wasAcked(n) && orders.get(keyOf(n))?.n !== n) lost++;
      }
      this.#say(`${count(orders.size)} orders read back: ${count(lost)} of the acknowledged ones are missing`);
      await this.#pause(this.#options.calmMs / 3);
      return this.#summary(traffic, orders.size, lost);
    } finally {
      await fresh.close();
    }
  }

  #summary(traffic: Traffic, readBack: number, lost: number): Summary {
    const { acked, rejected, unanswered, latencies, slowestMs } = traffic;
    return {
      ...{ acked, rejected, unanswered, readBack, lost, slowestMs },
      longestGapMs: this.#longestGapMs,
      longestOtherMs: this.#longestOtherMs,
      p50Ms: latencies.quantile(0.5) ?? 0,
      p99Ms: latencies.quantile(0.99) ?? 0,
      rebalancedMs: this.#rebalancedMs,
      routes: this.#routes(),
      mapVersion: this.#client.getPartitionMapVersion(),
    };
  }

  // --- what is to be seen ------------------------------------------------------------------------------------------

  get traffic(): Traffic | null {
    return this.#traffic;
  }

  view(): DemoView {
    const now = performance.now();
    const traffic = this.#traffic;
    const { names } = this.#cluster;
    const index = (name: string | null): number => (name === null ? -1 : names.indexOf(name));
    return {
      elapsedMs: now - this.#startedAt,
      headline: this.#headline,
      isAlarm: this.#isAlarm,
      nodes: names.map((name) => this.#nodeView(name, traffic)),
      mapVersion: this.#client.getPartitionMapVersion(),
      owners: this.#owners().map((owner) => (this.#states.get(owner ?? '') === 'killed' ? -1 : index(owner))),
      waiting: this.#keys.map((_, partition) => traffic?.isWaiting(partition, now) ?? false),
      acked: traffic?.acked ?? 0,
      unanswered: traffic?.unanswered ?? 0,
      acksPerSecond: traffic?.rate() ?? 0,
      acks: traffic?.perStep(ACK_STEPS) ?? [],
      acksPlanned: (this.#options.ratePerSecond * STEP_MS) / 1_000,
      latency: traffic?.recent() ?? null,
      routes: this.#routes(),
      gap:
        this.#gap === null
          ? null
          : { ms: this.#gap.gapMs(now), isOver: this.#gap.isOver, others: this.#gap.longestOtherMs },
      writes: (traffic?.samples ?? []).map(({ key, partition, from, by, ackedMs, madeAt }) => ({
        ...{ key, partition, from: index(from), by: index(by) },
        ms: ackedMs ?? now - madeAt,
        isAcked: ackedMs !== null,
      })),
      reader: { rows: READER_ROWS, behindMs: this.#behindMs },
      events: this.#events,
    };
  }

  #nodeView(name: string, traffic: Traffic | null): NodeView {
    const state = this.#states.get(name) ?? 'serving';
    const sinceDeath = `killed ${seconds(performance.now() - this.#diedAt)} ago`;
    return {
      name,
      address: `:${new URL(this.#cluster.urlOf(name)).port}`,
      state: state === 'killed' ? sinceDeath : state,
      isUp: state !== 'killed' && state !== 'starting',
      partitions: state === 'killed' ? 0 : this.#partitionsOf(name),
      acksPerSecond: traffic?.rate(name) ?? 0,
      acks: traffic?.perStep(ACK_STEPS, name) ?? [],
    };
  }

  #routes(): DemoView['routes'] {
    const { directRoutes, fallbackRoutes, notOwnerRetries } = this.#client.getRoutingMetrics();
    return { direct: directRoutes, fallback: fallbackRoutes, notOwner: notOwnerRetries };
  }

  #watchOrders(traffic: Traffic): void {
    const newest = this.#reader.query<Order>(ORDERS, { sort: { n: 'desc' }, limit: READER_ROWS });
    newest.subscribe(([first]) => {
      const madeAt = first === undefined ? null : traffic.madeAt(first.value.n);
      if (madeAt !== null) this.#behindMs = performance.now() - madeAt;
    });
  }

  // --- helpers -----------------------------------------------------------------------------------------------------

  #say(text: string): void {
    const atMs = performance.now() - this.#startedAt;
    this.#events.push({ atMs, text });
    this.#stage.event(atMs, text);
  }

  #owners(): readonly (string | null)[] {
    return this.#keys.map((key) => this.#client.getOwner(key)?.nodeId ?? null);
  }

  #partitionsOf(name: string): number {
    return this.#owners().filter((owner) => owner === name).length;
  }

  #ownsNothing(name: string): boolean {
    return this.#owners().every((owner) => owner !== null && owner !== name);
  }

  /** Every node is connected, and owns as many shards as the others, or one more. */
  #isWhole(): boolean {
    const { names } = this.#cluster;
    const connected = this.#client.getConnectedNodes();
    // A shard is the partitions that are equal modulo the number of shards.
    const owners = this.#owners().slice(0, SHARDS);
    const counts = names.map((name) => owners.filter((owner) => owner === name).length);
    return (
      names.every((name) => connected.includes(name)) &&
      !owners.includes(null) &&
      Math.max(...counts) - Math.min(...counts) <= 1
    );
  }

  async #pause(durationMs: number): Promise<void> {
    await delay(durationMs, undefined, { signal: this.#signal });
  }

  async #until(what: string, timeoutMs: number, check: () => boolean): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!check()) {
      if (performance.now() > deadline) throw new Error(`not within ${seconds(timeoutMs)}: ${what}`);
      await this.#pause(POLL_MS);
    }
  }

  async #within(what: string, timeoutMs: number, promise: Promise<unknown>): Promise<void> {
    let isDone = false;
    const done = promise.then(() => {
      isDone = true;
    });
    await Promise.race([done, this.#until(what, timeoutMs, () => isDone)]);
  }
}

/** A key of each partition, to ask the client for the owner of the partition. */
function keysOfPartitions(): readonly string[] {
  const keys: string[] = Array.from({ length: PARTITION_COUNT }, () => '');
  for (let n = 0, found = 0; found < PARTITION_COUNT; n++) {
    const partition = partitionOf(`probe-${n}`);
    if (keys[partition] !== '') continue;
    keys[partition] = `probe-${n}`;
    found++;
  }
  return keys;
}
