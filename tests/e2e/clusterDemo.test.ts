import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { paint, widthOf } from '../../examples/cluster-demo/paint.js';
import { type DemoView, view } from '../../examples/cluster-demo/view.js';
import { ensureNatsServer } from '../../scripts/nats/natsServer.js';
import { Child } from './support/Child.js';
import { eventually } from './support/eventually.js';
import { alive, descendantsOf } from './support/ProcessTree.js';
import { tempFolder } from './support/tempFolder.js';

/** The demo, with a folder for temporary files that is its own. */
async function startDemo(args: readonly string[], folder: string): Promise<Child> {
  const env = { TOPGUN_NATS_SERVER: await ensureNatsServer(), TMPDIR: folder };
  const child = new Child(['--import', 'tsx', 'examples/cluster-demo/main.ts', ...args], { env });
  onTestFinished(async () => {
    const left = descendantsOf(child.pid).map(({ pid }) => pid);
    await child.kill();
    for (const pid of alive(left)) process.kill(pid, 'SIGKILL');
  });
  return child;
}

describe('npm run demo:cluster', { timeout: 90_000 }, () => {
  it('kills a node, brings it back, loses nothing and leaves nothing behind', async () => {
    const folder = tempFolder();
    const demo = await startDemo(['--ci'], folder);
    await demo.prints(/^00:\d\d\.\d {2}3 nodes serve 271 partitions/m, 40_000);
    const started = descendantsOf(demo.pid).map(({ pid }) => pid);
    expect(started.length).toBeGreaterThanOrEqual(5);
    const { code } = await demo.exited;
    expect(demo.stderr).toBe('');
    expect(code, demo.stdout).toBe(0);
    expect(demo.stdout).toMatch(/kill -9 \d+: node-\d, owner of (?:8|9)\d partitions, is dead/);
    const [, acked = '', gapMs = ''] =
      /^✔ ops acked: ([\d,]+) {3}lost: 0 {3}longest gap: ([\d,.]+) ms$/m.exec(demo.stdout) ?? [];
    const readBack = /^ {2}read back +([\d,]+) orders/m.exec(demo.stdout)?.[1];
    expect(Number(acked.replaceAll(',', ''))).toBeGreaterThan(1_000);
    expect(readBack).toBe(acked);
    expect(Number(gapMs.replaceAll(',', ''))).toBeLessThan(5_000);
    expect(demo.stdout).toMatch(/balanced again \d+\.\d s after its start: \d+ \/ \d+ \/ \d+ partitions/);
    expect(alive(started)).toEqual([]);
    expect(readdirSync(folder).filter((name) => name.startsWith('topgun-'))).toEqual([]);
  });

  it('stops everything when it is interrupted', async () => {
    const folder = tempFolder();
    const demo = await startDemo(['--ci'], folder);
    await demo.prints(/is dead$/m, 40_000);
    const started = descendantsOf(demo.pid).map(({ pid }) => pid);
    demo.signal('SIGINT');
    expect((await demo.exited).code).toBe(130);
    await eventually('nothing runs', () => alive(started).length === 0);
    expect(readdirSync(folder).filter((name) => name.startsWith('topgun-'))).toEqual([]);
  });

  it('says what is missing or wrong', async () => {
    const folder = tempFolder();
    const missing = await startDemo(['--ci', '--nats-server', join(folder, 'none')], folder);
    expect((await missing.exited).code).toBe(1);
    expect(missing.stderr).toMatch(
      /^The demo failed: .*none is no nats-server that runs here; .*2\.10\.27 or newer\n$/,
    );
    const wrong = await startDemo(['--nodes', '1'], folder);
    expect((await wrong.exited).code).toBe(2);
    expect(wrong.stderr).toMatch(/^--nodes must be a whole number from 2 to 6, not 1\n.*--help\n$/);
    const help = await startDemo(['--help'], folder);
    expect((await help.exited).code).toBe(0);
    expect(help.stdout).toMatch(/^Usage: npm run demo:cluster[\s\S]*--ci/);
  });
});

describe('its screen', () => {
  const demo: DemoView = {
    elapsedMs: 61_234,
    headline: 'node-2 was killed: its keys have no owner',
    isAlarm: true,
    nodes: ['node-1', 'node-2', 'node-3'].map((name, index) => ({
      name,
      address: ':65535',
      state: index === 1 ? 'killed 12.3 s ago' : 'serving',
      isUp: index !== 1,
      partitions: 271,
      acksPerSecond: 12_345,
      acks: Array.from({ length: 95 }, (_, step) => step * 10),
    })),
    mapVersion: 12,
    owners: Array.from({ length: 271 }, (_, partition) => (partition % 4) - 1),
    waiting: Array.from({ length: 271 }, (_, partition) => partition % 7 === 0),
    acked: 1_234_567,
    unanswered: 12_345,
    acksPerSecond: 12_345,
    acks: Array.from({ length: 95 }, (_, step) => step * 10),
    acksPlanned: 200,
    latency: { p50: 123.4, p99: 1_234.5 },
    routes: { direct: 1_000_000, fallback: 12_345, notOwner: 1_234 },
    gap: { ms: 1_234, isOver: false, others: 123 },
    writes: Array.from({ length: 5 }, (_, n) => ({
      key: `order-00000${n}`,
      partition: n,
      from: 1,
      by: n % 3,
      ms: 12,
      isAcked: n > 1,
    })),
    reader: { rows: 5, behindMs: 12 },
    events: Array.from({ length: 30 }, (_, n) => ({ atMs: n * 1_000, text: `event ${n}: ${'x'.repeat(n * 5)}` })),
  };

  it('fits into every terminal, with and without colours', () => {
    for (const [columns, rows] of [
      [80, 24],
      [100, 34],
      [250, 70],
      [40, 10],
      [1, 1],
    ] as const) {
      for (const isColourful of [true, false]) {
        const lines = view(demo, paint(isColourful), columns, rows);
        expect(lines.length, `${columns} x ${rows}`).toBeLessThanOrEqual(rows);
        expect(Math.max(...lines.map(widthOf)), `${columns} x ${rows}`).toBeLessThanOrEqual(columns);
      }
    }
  });

  it('shows all that matters on the smallest usual one', () => {
    const text = view(demo, paint(false), 80, 24).join('\n');
    for (const part of [
      '01:01.2',
      'was killed',
      'node-3',
      'killed 12.3 s ago',
      'v12',
      '×',
      '12,345 acked/s',
      'p99 1,235 ms',
    ]) {
      expect(text).toContain(part);
    }
    for (const part of ['98.78 % direct', '1,234 sent again', '1,234 ms  for keys', 'node-2 ⇢ node-1', 'event 29']) {
      expect(text).toContain(part);
    }
  });
});
