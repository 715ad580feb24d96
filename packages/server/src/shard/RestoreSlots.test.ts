import { describe, expect, it } from 'vitest';
import { RestoreSlots } from './RestoreSlots.js';

/** Restorations that end when they are told to. */
class Work {
  readonly slots = new RestoreSlots(3);
  readonly running = new Map<string, () => void>();
  readonly urgent = new Set<string>();

  start(...names: string[]): Promise<void> {
    for (const name of names) {
      void this.slots.take(() => this.urgent.has(name)).then((end) => this.running.set(name, end));
    }
    return this.turn();
  }

  end(name: string): Promise<void> {
    this.running.get(name)?.();
    this.running.delete(name);
    return this.turn();
  }

  get names(): string[] {
    return [...this.running.keys()];
  }

  async turn(): Promise<void> {
    for (let i = 0; i < 3; i++) await Promise.resolve();
  }
}

describe('slots for restoring shards', () => {
  it('are given one at a time, in order, to what is not urgent', async () => {
    const work = new Work();
    await work.start('a', 'b', 'c');
    expect(work.names).toEqual(['a']);
    await work.end('a');
    expect(work.names).toEqual(['b']);
    await work.end('b');
    await work.end('c');
    expect(work.names).toEqual([]);
  });

  it('are given first, and a few at a time, to what is', async () => {
    const work = new Work();
    for (const name of ['c', 'd', 'e', 'f']) work.urgent.add(name);
    await work.start('a', 'b', 'c', 'd', 'e', 'f');
    expect(work.names).toEqual(['a', 'c', 'd']);
    await work.end('a');
    expect(work.names).toEqual(['c', 'd', 'e']);
    for (const name of ['c', 'd', 'e']) await work.end(name);
    expect(work.names).toEqual(['f']);
    await work.end('f');
    expect(work.names).toEqual(['b']);
  });

  it('are given at once to what has become urgent, and given back once', async () => {
    const work = new Work();
    await work.start('a', 'b', 'c');
    work.urgent.add('c');
    work.slots.beginNext();
    await work.turn();
    expect(work.names).toEqual(['a', 'c']);
    const end = work.running.get('a');
    await work.end('a');
    end?.();
    await work.turn();
    expect(work.names).toEqual(['c']);
    await work.end('c');
    expect(work.names).toEqual(['b']);
  });
});
