import type { Demo, Stage } from './Demo.js';
import type { Paint } from './paint.js';
import { view } from './view.js';

const FRAME_MS = 100;

/** A picture that is drawn anew ten times a second, in place. What stood on the terminal before comes back at the end. */
export class Screen implements Stage {
  readonly #paint: Paint;
  #timer: NodeJS.Timeout | null = null;

  constructor(paint: Paint) {
    this.#paint = paint;
  }

  preparing(text: string): void {
    process.stdout.write(`${this.#paint.dim(`… ${text}`)}\n`);
  }

  raised(demo: Demo): void {
    // Another screen, without a cursor.
    process.stdout.write('\x1b[?1049h\x1b[?25l\x1b[2J');
    this.#timer = setInterval(() => this.#draw(demo), FRAME_MS);
    this.#draw(demo);
  }

  event(): void {}

  close(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    process.stdout.write('\x1b[?25h\x1b[?1049l');
  }

  #draw(demo: Demo): void {
    // A terminal without a size has that of the first ones.
    const { columns = 80, rows = 24 } = process.stdout;
    const lines = view(demo.view(), this.#paint, columns, rows);
    // In one write, and without wiping first: nothing flickers.
    process.stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\n')}\x1b[J`);
  }
}
