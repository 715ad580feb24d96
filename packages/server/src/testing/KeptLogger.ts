import type { Logger } from '../Logger.js';

/** Keeps what a node writes: lines as a JSON logger makes them, and how many of them are errors. */
export class KeptLogger implements Logger {
  readonly lines: string[] = [];
  readonly errors: unknown[] = [];

  debug(details: object, message: string): void {
    this.#write(details, message);
  }

  info(details: object, message: string): void {
    this.#write(details, message);
  }

  warn(details: object, message: string): void {
    this.#write(details, message);
  }

  error(details: object, message: string): void {
    this.errors.push({ message, ...details });
    this.#write(details, message);
  }

  #write(details: object, message: string): void {
    if (this.lines.length < 10_000) this.lines.push(JSON.stringify({ ...plain(details), message }));
  }
}

function plain(details: object): object {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [name, value instanceof Error ? (value.stack ?? '') : value]),
  );
}
