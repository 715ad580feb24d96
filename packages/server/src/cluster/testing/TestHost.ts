import type { Runtime } from '@topgunbuild/core';
import type { HostingState, Role, ShardHost } from '../../shard/Role.js';

const NOTHING: HostingState = { state: 'absent', readiness: 0, epoch: 0, appliedSeq: 0 };

/** Hosts nothing, but takes its time for it: a copy that is not there yet is restored, an owner opens before it serves. */
export class TestHost implements ShardHost {
  readonly #runtime: Runtime;
  readonly #restoreMs: () => number;
  readonly #openMs: number;
  #roles: Role[];
  readonly #hosting: HostingState[];

  constructor(runtime: Runtime, shardCount: number, { restoreMs = (): number => 40, openMs = 10 } = {}) {
    this.#runtime = runtime;
    this.#restoreMs = restoreMs;
    this.#openMs = openMs;
    this.#roles = Array.from({ length: shardCount }, () => ({ name: 'none' }));
    this.#hosting = Array.from({ length: shardCount }, () => NOTHING);
  }

  get roles(): readonly Role[] {
    return this.#roles;
  }

  setRoles(roles: readonly Role[]): void {
    const former = this.#roles;
    this.#roles = roles.map((role, shard) => {
      const was = former[shard];
      return was !== undefined && isSame(was, role) ? was : role;
    });
    this.#roles.forEach((role, shard) => {
      if (role !== former[shard]) this.#take(shard, role);
    });
  }

  hosting(): readonly HostingState[] {
    return this.#hosting;
  }

  /** The shard's log turns out to have known this epoch. */
  meetEpoch(shard: number, epoch: number): void {
    this.#set(shard, { ...(this.#hosting[shard] ?? NOTHING), state: 'fenced', readiness: 0, epoch });
  }

  #take(shard: number, role: Role): void {
    const present = this.#hosting[shard] ?? NOTHING;
    if (role.name === 'none') {
      this.#set(shard, { ...NOTHING, epoch: present.epoch });
    } else if (present.readiness === 0) {
      this.#set(shard, { ...present, state: 'restoring' });
      this.#later(shard, role, this.#restoreMs(), () => this.#ready(shard, role));
    } else {
      this.#ready(shard, role);
    }
  }

  #ready(shard: number, role: Role): void {
    const present = this.#hosting[shard] ?? NOTHING;
    this.#set(shard, { ...present, state: 'standby', readiness: 1 });
    if (role.name !== 'owner') return;
    this.#later(shard, role, this.#openMs, () => {
      if (present.epoch <= role.epoch)
        this.#set(shard, { ...present, state: 'serving', readiness: 2, epoch: role.epoch });
    });
  }

  #later(shard: number, role: Role, ms: number, run: () => void): void {
    this.#runtime.setTimer(ms, () => {
      if (this.#roles[shard] === role) run();
    });
  }

  #set(shard: number, state: HostingState): void {
    this.#hosting[shard] = state;
  }
}

function isSame(a: Role, b: Role): boolean {
  return a.name === b.name && (a.name !== 'owner' || b.name !== 'owner' || a.epoch === b.epoch);
}
