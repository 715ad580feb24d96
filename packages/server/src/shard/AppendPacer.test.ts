import { describe, expect, it } from 'vitest';
import { TestRuntime } from '../testing/TestRuntime.js';
import { AppendPacer } from './AppendPacer.js';

class Scene {
  readonly runtime = new TestRuntime();
  readonly turnEnds: (() => void)[] = [];
  /** When shards were told to append. */
  readonly kicks: number[] = [];
  readonly pacer = new AppendPacer(this.runtime, (run) => void this.turnEnds.push(run), {
    lingerPerOpMs: 0.2,
    maxLingerMs: 5,
  });

  add(ops: number): void {
    this.pacer.add({
      kick: () => {
        this.kicks.push(this.runtime.monotonic());
        return ops;
      },
    });
  }

  endTurn(): void {
    for (const run of this.turnEnds.splice(0)) run();
  }
}

describe('AppendPacer', () => {
  it('lets all shards of a turn append together at its end', () => {
    const scene = new Scene();
    scene.add(1);
    scene.add(100);
    expect(scene.kicks).toEqual([]);
    scene.endTurn();
    expect(scene.kicks).toEqual([0, 0]);
    scene.add(1);
    scene.endTurn();
    expect(scene.kicks).toEqual([0, 0, 0]);
  });

  it('lingers behind appends of many ops, so that the next ones carry more, but not for long', async () => {
    const scene = new Scene();
    scene.pacer.linger();
    scene.add(10);
    scene.endTurn();
    scene.add(1_000);
    scene.endTurn();
    expect(scene.kicks).toEqual([0]);
    await scene.runtime.advance(2);
    expect(scene.kicks).toEqual([0, 2]);
    scene.add(1);
    await scene.runtime.advance(4);
    scene.endTurn();
    expect(scene.kicks).toEqual([0, 2]);
    scene.add(1);
    await scene.runtime.advance(1);
    expect(scene.kicks).toEqual([0, 2, 7, 7]);
  });

  it('makes a lone writer wait for nobody, nor anybody who comes late enough', async () => {
    const scene = new Scene();
    scene.pacer.linger();
    for (let write = 0; write < 3; write++) {
      scene.add(1);
      scene.endTurn();
    }
    scene.add(25);
    scene.endTurn();
    await scene.runtime.advance(5);
    scene.add(1);
    scene.endTurn();
    expect(scene.kicks).toEqual([0, 0, 0, 0, 5]);
  });

  it('leaves no timer behind', async () => {
    const scene = new Scene();
    scene.pacer.linger();
    scene.add(25);
    scene.endTurn();
    scene.add(1);
    scene.pacer.close();
    await scene.runtime.advance(100);
    expect(scene.kicks).toEqual([0]);
  });
});
