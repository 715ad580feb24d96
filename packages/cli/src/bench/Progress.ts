import type { Tally } from './Tally.js';

const EVERY_MS = 500;

/** A line on stderr that keeps telling how a run goes; silent where stderr is no terminal. */
export class Progress {
  readonly #tally: Tally;
  readonly #timer: NodeJS.Timeout | null;
  #acked = 0;
  #at = performance.now();

  constructor(tally: Tally) {
    this.#tally = tally;
    this.#timer = process.stderr.isTTY ? setInterval(() => this.#show(), EVERY_MS) : null;
  }

  close(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    process.stderr.write('\r\x1b[K');
  }

  #show(): void {
    const { acked, rejected, latencies } = this.#tally;
    const now = performance.now();
    const rate = Math.round(((acked - this.#acked) * 1000) / (now - this.#at));
    this.#acked = acked;
    this.#at = now;
    const p99 = latencies.quantile(0.99)?.toPrecision(3) ?? '-';
    process.stderr.write(
      `\r\x1b[K${rate.toLocaleString('en')} acked ops/s  p99 ${p99} ms  acked ${acked}  rejected ${rejected}`,
    );
  }
}
