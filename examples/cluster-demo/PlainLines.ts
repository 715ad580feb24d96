import type { Demo, Stage } from './Demo.js';
import { count, ms } from './paint.js';
import { clock } from './view.js';

const EVERY_MS = 1_000;

/** The same as a log: for runs that nobody watches. */
export class PlainLines implements Stage {
  #timer: NodeJS.Timeout | null = null;

  preparing(text: string): void {
    console.log(`         ${text}`);
  }

  raised(demo: Demo): void {
    this.#timer = setInterval(() => this.#tell(demo), EVERY_MS);
  }

  event(atMs: number, text: string): void {
    console.log(`${clock(atMs)}  ${text}`);
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #tell(demo: Demo): void {
    const { elapsedMs, nodes, acksPerSecond, latency, mapVersion, routes, unanswered } = demo.view();
    const shares = nodes.map(({ name, partitions }) => `${name} ${partitions}`).join(', ');
    const times = latency === null ? '' : `p50 ${ms(latency.p50)}, p99 ${ms(latency.p99)}, `;
    const { direct, fallback, notOwner } = routes;
    console.log(
      `${clock(elapsedMs)}    ${count(acksPerSecond)} acked/s, ${times}${unanswered} under way; map v${mapVersion}: ${shares}; ` +
        `routes: ${direct} direct, ${fallback} fallback, ${notOwner} notOwner`,
    );
  }
}
