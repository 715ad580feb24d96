import { Probe, type ProbeEnvironment } from './Probe.js';

export interface ProbeTarget {
  readonly id: string;
  readonly boot: string;
}

/** The processes that are being probed now. */
export class Probes {
  readonly #environment: ProbeEnvironment;
  readonly #probes = new Map<string, Probe>();
  /** Until then nobody is given up without having answered, see `Probe.restart`. */
  #patientUntil = Number.NEGATIVE_INFINITY;

  constructor(environment: ProbeEnvironment) {
    this.#environment = environment;
  }

  /** What is known about that very process; null = it is not probed. */
  of({ id, boot }: ProbeTarget): Probe | null {
    const probe = this.#probes.get(id);
    return probe?.boot === boot ? probe : null;
  }

  /** These and no others are to be probed. What is known about those among them stays. */
  follow(targets: readonly ProbeTarget[]): void {
    const bootOf = new Map(targets.map(({ id, boot }) => [id, boot]));
    for (const [id, probe] of this.#probes) {
      if (bootOf.get(id) === probe.boot) continue;
      probe.close();
      this.#probes.delete(id);
    }
    for (const target of targets) {
      if (this.#probes.has(target.id)) continue;
      const probe = new Probe(target, this.#environment);
      const patience = this.#patientUntil - this.#environment.runtime.monotonic();
      if (patience > 0) probe.restart(patience);
      this.#probes.set(target.id, probe);
    }
  }

  tick(now: number): void {
    for (const probe of this.#probes.values()) probe.tick(now);
  }

  /** This process stood still: its questions ran out of time without anybody being to blame. */
  restart(): void {
    for (const probe of this.#probes.values()) probe.restart();
  }

  /** The way to the others broke, or is back: they may have lost it too. */
  interrupted(): void {
    const patienceMs = this.#environment.timing.reconnectMs;
    this.#patientUntil = this.#environment.runtime.monotonic() + patienceMs;
    for (const probe of this.#probes.values()) probe.restart(patienceMs);
  }

  close(): void {
    this.follow([]);
  }
}
