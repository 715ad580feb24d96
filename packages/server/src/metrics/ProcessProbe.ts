import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

const NS_PER_S = 1e9;

/** Measures of the process that a node runs in. */
export class ProcessProbe {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: 20 });

  start(): void {
    this.#delay.enable();
  }

  stop(): void {
    this.#delay.disable();
  }

  /** In seconds, since the last call. */
  eventLoopDelay(): { readonly p50: number; readonly p99: number; readonly max: number } {
    const delay = this.#delay;
    // Without a single measurement its figures are extremes of their type.
    const measured = Number.isFinite(delay.mean);
    const reading = measured
      ? { p50: delay.percentile(50) / NS_PER_S, p99: delay.percentile(99) / NS_PER_S, max: delay.max / NS_PER_S }
      : { p50: 0, p99: 0, max: 0 };
    delay.reset();
    return reading;
  }

  residentBytes(): number {
    return process.memoryUsage.rss();
  }

  cpuSeconds(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
}
