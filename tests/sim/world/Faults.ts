import type { Random } from '../kernel/Random.js';

export type AppendFate = 'works' | 'fails' | 'fails-after' | 'full';

/** What is broken right now. Chaos changes it, the world obeys, and `heal` ends all of it. */
export class Faults {
  /** Mean one-way delay of the network, ms. */
  latencyMs = 5;
  /** New connections are refused. */
  refusing = false;
  /** New connections get no answer at all. */
  unreachable = false;
  diskMs = 2;
  appendFails = 0;
  appendFailsAfter = 0;
  diskFull = false;
  clientCommitMs = 2;
  clientCommitFails = 0;
  /** Mean one-way delay between a node and what nodes share, ms. */
  backboneMs = 0.5;
  registryFails = 0;
  busLoss = 0;
  /** An append that landed is answered as if somebody else had been there first. */
  appendsTwice = 0;
  /** Auth cannot be judged, or tokens cannot be had. */
  authDown = false;
  /** How often each fault happened in this run. */
  readonly counts = new Map<string, number>();

  heal(): void {
    this.latencyMs = Math.min(this.latencyMs, 20);
    this.refusing = false;
    this.unreachable = false;
    this.diskMs = 2;
    this.appendFails = 0;
    this.appendFailsAfter = 0;
    this.diskFull = false;
    this.clientCommitMs = 2;
    this.clientCommitFails = 0;
    this.backboneMs = 0.5;
    this.registryFails = 0;
    this.busLoss = 0;
    this.appendsTwice = 0;
    this.authDown = false;
  }

  count(fault: string, by = 1): void {
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + by);
  }

  networkDelay(random: Random): number {
    return 0.1 + random.wait(this.latencyMs);
  }

  diskDelay(random: Random): number {
    return random.wait(this.diskMs);
  }

  appendFate(random: Random): AppendFate {
    if (this.diskFull) {
      this.count('append refused: disk full');
      return 'full';
    }
    if (random.chance(this.appendFails)) {
      this.count('append failed');
      return 'fails';
    }
    if (random.chance(this.appendFailsAfter)) {
      this.count('append failed after success');
      return 'fails-after';
    }
    return 'works';
  }

  readFails(random: Random): boolean {
    const fails = random.chance(this.appendFails / 2);
    if (fails) this.count('disk read failed');
    return fails;
  }
}
