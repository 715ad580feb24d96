import type { TopGunClientOptions } from '@topgunbuild/client';
import type { EntryBatch } from '@topgunbuild/core';
import type { Peer } from '../../../packages/server/src/session/Peer.js';
import { SharedLogs } from '../backbone/SharedLogs.js';
import { type Shared, SimBackbone } from '../backbone/SimBackbone.js';
import { SharedBus } from '../backbone/SimBus.js';
import { ObservedRegistry } from '../backbone/SimRegistry.js';
import { LogWatch } from '../checks/LogWatch.js';
import { MapWatch } from '../checks/MapWatch.js';
import type { Random } from '../kernel/Random.js';
import { EPOCH_MS, SimProcess } from '../kernel/SimProcess.js';
import type { ClusterProfile } from '../workload/ClusterProfile.js';
import type { ClientProfile } from '../workload/Profile.js';
import type { Acceptance, Link } from './Link.js';
import { SimMember } from './SimMember.js';
import { describe, type Tracer, World } from './World.js';

/** A machine on which a node is to run, or not. */
export interface Place {
  readonly id: string;
  readonly wallOffset: number;
  isWanted: boolean;
  member: SimMember | null;
  starts: number;
}

const RESTART_MS = 1_000;

/** Nodes that share a backbone, and their clients. */
export class ClusterWorld extends World {
  override readonly profile: ClusterProfile;
  readonly shared: Shared;
  readonly maps: MapWatch;
  readonly log: LogWatch;
  readonly places: readonly Place[];
  readonly #random: Random;

  constructor(profile: ClusterProfile, random: Random, tracer: Tracer | null) {
    super(profile, random, tracer);
    this.profile = profile;
    const own = this.storageRandom;
    this.#random = own;
    this.maps = new MapWatch(this.history);
    this.log = new LogWatch(this.history, this.maps);
    this.shared = {
      logs: new SharedLogs(profile.streams, (shard, record, author) => {
        this.trace(() => `log of shard ${shard}: ${record.seq} after ${record.prev} by ${author}`);
        this.log.landed(shard, record, author);
      }),
      registry: new ObservedRegistry((key, value) => {
        this.trace(() => `registry: ${key} ${value === null ? 'deleted' : 'set'}`);
        this.maps.written(key, value);
      }),
      bus: new SharedBus(),
      shardCount: profile.shardCount,
      maxPayload: profile.maxPayload,
      onBusError: (process, error) => {
        if (process.isAlive) this.history.violate('exception', `${process.name} answers not: ${describe(error)}`);
      },
    };
    this.history.wire.onAcked = (op, link) => this.log.acked(op, link.server?.name ?? 'nobody');
    this.places = Array.from({ length: profile.maxNodes }, (_, index) => ({
      id: `n${index}`,
      wallOffset: own.between(-1, 1) * profile.nodeSkewMs,
      isWanted: index < profile.nodes,
      member: null,
      starts: 0,
    }));
  }

  /** Those that run now. */
  get members(): SimMember[] {
    return this.places.flatMap(({ member }) => member ?? []);
  }

  connectOptions({ name }: ClientProfile): Pick<TopGunClientOptions, 'url' | 'cluster'> {
    const { home = 0, way = 'fixed' } = this.profile.homing.get(name) ?? {};
    if (way !== 'smart') return { url: `ws://n${home}` };
    return { cluster: { seeds: this.places.map(({ id }) => `ws://${id}`), connectionsPerNode: 1 } };
  }

  /** Who moves to another node may meet there what it heard at the former: messages go their own ways. */
  override hearsOnce({ name }: ClientProfile): boolean {
    return this.profile.homing.get(name)?.way === 'fixed';
  }

  nodeNow(): number {
    return Math.floor(EPOCH_MS + this.time.now);
  }

  dataNow(): number {
    return this.nodeNow();
  }

  rows(map: string): EntryBatch[] {
    return this.members.flatMap((member) => member.rows(map));
  }

  get isServing(): boolean {
    return this.problem === '';
  }

  get problem(): string {
    return this.places
      .filter(({ isWanted, member }) => isWanted !== (member !== null) || (member !== null && member.problem !== null))
      .map(({ id, member }) => `${id} ${member === null ? 'does not run' : member.problem}`)
      .join('; ');
  }

  start(place: Place): void {
    if (place.member !== null) return;
    place.isWanted = true;
    const name = `${place.id}.${++place.starts}`;
    const process = new SimProcess(name, this.time, this.#random.fork(), place.wallOffset);
    const backbone = new SimBackbone(this.shared, process, this.time, this.#random.fork(), this.faults);
    const member = new SimMember(place.id, process, backbone);
    place.member = member;
    this.trace(() => `${name} starts`);
    member.start(this.profile, this.faults, this.nodeLogger(process)).then(
      () => {
        const { membership } = member.core ?? {};
        if (membership === undefined || membership === null) return;
        this.trace(() => `${name} has joined`);
        this.maps.taken(name, membership.map);
        membership.onMap(() => {
          this.trace(() => `${name} has map ${membership.map.version}`);
          this.maps.taken(name, membership.map);
        });
      },
      (error: unknown) => {
        this.trace(() => `${name} did not start: ${describe(error)}`);
        // The service manager tries again.
        if (place.member === member) this.crash(place);
        this.time.at(RESTART_MS, () => {
          if (place.isWanted) this.start(place);
        });
      },
    );
  }

  crash(place: Place): void {
    const { member } = place;
    if (member === null) return;
    place.member = null;
    const { process, backbone } = member;
    this.trace(() => `${process.name} is killed`);
    process.kill();
    backbone.die(this.#random.chance(0.3));
    this.network.serverDied(process);
  }

  /** As SIGTERM does; a node that takes too long is killed. */
  async stop(place: Place): Promise<void> {
    const { member } = place;
    if (member === null) return;
    const { process } = member;
    this.trace(() => `${process.name} is to stop`);
    if (member.isServing) await Promise.race([member.stop(), this.time.sleep(12_000)]);
    if (place.member === member) this.crash(place);
  }

  /** As SIGSTOP does, and SIGCONT after a while. */
  freeze(place: Place, ms: number): void {
    const { member } = place;
    if (member === null || member.process.isStopped) return;
    this.trace(() => `${member.process.name} stands still for ${ms.toFixed(0)} ms`);
    member.process.stop();
    this.time.at(ms, () => this.#unfreeze(member));
  }

  heal(): void {
    for (const member of this.members) {
      this.#unfreeze(member);
      for (const way of Object.values(member.backbone.ways)) way.mend();
    }
    for (const place of this.places) if (place.isWanted) this.start(place);
  }

  protected accept(peer: Peer, endpoint: string, client: SimProcess): Acceptance {
    const home = this.places.find(({ id }) => new URL(endpoint).hostname === id);
    const accepted = home?.member?.accept(peer) ?? null;
    if (accepted !== null) return accepted;
    const { way = 'fixed' } = this.profile.homing.get(client.name.split('.')[0] ?? '') ?? {};
    if (way === 'smart' || (way === 'fixed' && home?.isWanted === true)) return null;
    const others = this.members.filter((member) => member.isServing && !member.process.isStopped);
    return others.length === 0 ? null : this.#random.pick(others).accept(peer);
  }

  protected override sentDown(link: Link, frame: Uint8Array): void {
    this.maps.sent(link, frame);
  }

  #unfreeze(member: SimMember): void {
    if (!member.process.isStopped) return;
    this.trace(() => `${member.process.name} goes on`);
    member.process.continue();
  }
}
