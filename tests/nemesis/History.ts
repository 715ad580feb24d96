import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes name the number that they write: of one key's writes, which all come from one client, later ones are larger. */
export type HistoryEvent =
  | {
      readonly type: 'invoke';
      readonly op: number;
      readonly kind: 'set' | 'increment';
      readonly key: string;
      readonly value: number;
    }
  | { readonly type: 'ack' | 'reject'; readonly op: number; readonly code?: string }
  /** What somebody saw once all was quiet; null: no such key. */
  | {
      readonly type: 'read';
      readonly reader: string;
      readonly kind: 'set' | 'increment';
      readonly key: string;
      readonly value: number | null;
    }
  | { readonly type: 'fault'; readonly fault: string };

/** What happened in a run, in the order in which the test learned of it. */
export class History {
  readonly events: HistoryEvent[] = [];
  #nextOp = 0;

  invoke(kind: 'set' | 'increment', key: string, value: number): number {
    const op = this.#nextOp++;
    this.events.push({ type: 'invoke', op, kind, key, value });
    return op;
  }

  ack(op: number): void {
    this.events.push({ type: 'ack', op });
  }

  reject(op: number, code: string): void {
    this.events.push({ type: 'reject', op, code });
  }

  read(reader: string, kind: 'set' | 'increment', key: string, value: number | null): void {
    this.events.push({ type: 'read', reader, kind, key, value });
  }

  fault(fault: string): void {
    this.events.push({ type: 'fault', fault });
  }

  count(type: HistoryEvent['type']): number {
    return this.events.reduce((count, event) => count + (event.type === type ? 1 : 0), 0);
  }

  /** Keeps the history of a failed run, one event a line. */
  save(file: string): void {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, this.events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  }
}
