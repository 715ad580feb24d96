import { systemRuntime } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { TestRuntime } from '../testing/TestRuntime.js';
import type { LogRecord } from './Backbone.js';
import { MemoryCluster } from './MemoryCluster.js';
import type { MemoryClusterBackbone } from './memory/MemoryClusterBackbone.js';

const bytes = (fill: number): Uint8Array => new Uint8Array(3).fill(fill);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function nodes(cluster: MemoryCluster, count: number): Promise<MemoryClusterBackbone[]> {
  const backbones = Array.from({ length: count }, () => cluster.backbone());
  await Promise.all(backbones.map((backbone) => backbone.open()));
  return backbones;
}

async function pair(cluster = new MemoryCluster({ runtime: systemRuntime() })) {
  const [a, b] = await nodes(cluster, 2);
  return { a: a as MemoryClusterBackbone, b: b as MemoryClusterBackbone };
}

describe('a memory cluster', () => {
  it('takes as long as its delay says, to and fro, by the timers of the runtime alone', async () => {
    const runtime = new TestRuntime();
    const cluster = new MemoryCluster({ runtime, delay: () => 5 });
    const backbone = cluster.backbone();
    let isOpen = false;
    void backbone.open().then(() => {
      isOpen = true;
    });
    for (let ms = 0; ms < 19; ms++) {
      runtime.advance(1);
      await turn();
    }
    expect(isOpen).toBe(false);
    runtime.advance(1);
    await turn();
    expect(isOpen).toBe(true);
    expect(runtime.pendingTimers).toBe(0);
  });

  it('keeps messages in order although each takes its own time', async () => {
    const runtime = new TestRuntime();
    const delays = [0, 0, 0, 0, 9, 3, 1, 0];
    const { a } = await (async () => {
      const cluster = new MemoryCluster({ runtime, delay: () => delays.shift() ?? 0 });
      const backbone = cluster.backbone();
      const opening = backbone.open();
      for (let i = 0; i < 6; i++) {
        runtime.advance(0);
        await turn();
      }
      await opening;
      return { a: backbone };
    })();
    const results = Promise.all([
      a.log.append(0, bytes(1), 0),
      a.log.append(0, bytes(2), 1),
      a.log.append(0, bytes(3), 2),
    ]);
    for (let i = 0; i < 20; i++) {
      runtime.advance(1);
      await turn();
    }
    expect((await results).map(({ status }) => status)).toEqual(['appended', 'appended', 'appended']);
  });

  it('hands a tail what it missed while its node was cut off, once', async () => {
    const { a, b } = await pair();
    const seen: number[] = [];
    b.cluster.tails.tail(0, 0, ({ seq }: LogRecord) => seen.push(seq));
    await a.log.append(0, bytes(1), 0);
    await turn();
    b.link.cut();
    expect(b.problem).not.toBeNull();
    await a.log.append(0, bytes(2), 1);
    await expect(b.log.head(0)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    b.link.mend();
    await a.log.append(0, bytes(3), 2);
    await turn();
    expect(seen).toEqual([1, 2, 3]);
    expect(b.problem).toBeNull();
  });

  it('tells what was missed before what comes next, also while a mended way is not quite up again', async () => {
    const runtime = new TestRuntime();
    const cluster = new MemoryCluster({ runtime, delay: () => 5 });
    const run = async (ms: number): Promise<void> => {
      for (let i = 0; i < ms; i++) {
        runtime.advance(1);
        await turn();
      }
    };
    const [a, b] = [cluster.backbone(), cluster.backbone()];
    const opening = Promise.all([a.open(), b.open()]);
    await run(100);
    await opening;
    const seen: unknown[] = [];
    const watching = b.cluster.registry.watch('k', (key) => seen.push(key));
    b.cluster.tails.tail(0, 0, ({ seq }: LogRecord) => seen.push(seq));
    await run(20);
    await watching;
    const write = (key: string, seq: number): void => {
      void a.cluster.registry.compareAndSet(key, bytes(1), 0);
      void a.log.append(0, bytes(1), seq);
    };
    b.link.cut();
    write('k1', 0);
    await run(20);
    // In the world just before the watch and the tail of the other node are.
    write('k2', 1);
    await run(3);
    b.link.mend();
    await run(50);
    expect(seen).toEqual(['k1', 'k2', 1, 2]);
  });

  it('fails what is under way when the way breaks; it may have come about', async () => {
    const { a, b } = await pair();
    const append = a.log.append(0, bytes(1), 0);
    a.link.cut();
    await expect(append).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await b.log.head(0)).toBe(0);
  });

  it('has nobody serve what a killed or cut node served; a frozen one leaves the asker waiting', async () => {
    const { a, b } = await pair();
    b.cluster.bus.serve('node.b.ping', () => bytes(7));
    await turn();
    expect(await a.cluster.bus.request('node.b.ping', bytes(1), 50)).toEqual(bytes(7));
    b.link.freeze();
    const late = a.cluster.bus.request('node.b.ping', bytes(1), 5);
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT' });
    const inTime = a.cluster.bus.request('node.b.ping', bytes(1), 5_000);
    b.link.thaw();
    expect(await inTime).toEqual(bytes(7));
    b.link.cut();
    await expect(a.cluster.bus.request('node.b.ping', bytes(1), 50)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    b.link.mend();
    await turn();
    expect(await a.cluster.bus.request('node.b.ping', bytes(1), 50)).toEqual(bytes(7));
    b.link.kill();
    await expect(a.cluster.bus.request('node.b.ping', bytes(1), 50)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('holds what a frozen node sends until it goes on', async () => {
    const { a, b } = await pair();
    a.link.freeze();
    const append = a.log.append(0, bytes(1), 0);
    await turn();
    expect(await b.log.head(0)).toBe(0);
    expect(await b.log.append(0, bytes(2), 0)).toMatchObject({ status: 'appended' });
    a.link.thaw();
    expect(await append).toEqual({ status: 'fenced' });
  });

  it('tells each node when its way broke and was mended', async () => {
    const { a } = await pair();
    let interruptions = 0;
    const unsubscribe = a.cluster.bus.onInterrupted(() => interruptions++);
    a.link.cut();
    a.link.mend();
    expect(interruptions).toBe(2);
    unsubscribe();
    a.link.cut();
    expect(interruptions).toBe(2);
  });
});
