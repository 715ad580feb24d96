import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bundleForK6 } from '../../scripts/k6/bundleForK6.js';
import { runForK6 } from './support/k6/runForK6.js';
import type { VuReport } from './support/k6/VuRealm.js';
import { openClient } from './support/openClient.js';
import { startCluster } from './support/startCluster.js';
import { tempFolder } from './support/tempFolder.js';
import { mintToken, SECRET } from './support/token.js';

const VUS = 4;
const KEYS = 1_000;
const VALUE_BYTES = 64;

function sum(reports: readonly VuReport[], metric: string): number {
  return reports.reduce((total, { metrics }) => total + (metrics[metric]?.sum ?? 0), 0);
}

describe('the load script for k6', () => {
  it('writes to the owners on every node from realms with nothing but what k6 offers, and loses nothing', async () => {
    const cluster = await startCluster({ args: ['--jwt-secret', SECRET] });
    const bundle = join(tempFolder(), 'cluster-throughput.js');
    await bundleForK6(bundle);
    const token = mintToken('k6');
    const seeds = cluster.nodes.map(({ url }) => url);
    const appends = (): Promise<number[]> =>
      Promise.all(cluster.nodes.map((node) => node.metric('topgun_appends_total')));
    const before = await appends();

    const reports = await runForK6({
      bundle,
      vus: VUS,
      env: {
        SEEDS: seeds.join(', '),
        TOKEN: token,
        VUS: String(VUS),
        DURATION: '3s',
        BATCH: '50',
        VALUE_BYTES: String(VALUE_BYTES),
      },
    });

    expect(reports.map(({ error }) => error)).toEqual(reports.map(() => null));
    for (const { faults, missing, leftovers, checks, endpoints, metrics, options } of reports) {
      expect({ faults, missing, leftovers }).toEqual({
        faults: [],
        missing: [],
        leftovers: { sockets: 0, timers: 0 },
      });
      expect(checks).toEqual({ 'every write was answered': true, 'connected to every node of the map': true });
      expect([...new Set(endpoints.map((url) => new URL(url).port))].sort()).toEqual(
        seeds.map((url) => new URL(url).port).sort(),
      );
      expect(metrics.topgun_ack_time?.count).toBe((metrics.topgun_acked_ops?.sum ?? 0) / 50);
      expect(metrics.topgun_rejected_ops).toEqual({ sum: 0, count: 1 });
      expect(options).toMatchObject({
        scenarios: { writers: { vus: VUS } },
        thresholds: { topgun_acked_ops: ['rate>50000'], topgun_rejected_ops: ['count==0'] },
      });
    }
    const acked = sum(reports, 'topgun_acked_ops');
    expect(acked).toBeGreaterThan(VUS * 100);
    expect(sum(reports, 'topgun_direct_routes')).toBe(acked);
    expect(sum(reports, 'topgun_fallback_routes') + sum(reports, 'topgun_partition_misses')).toBe(0);
    const after = await appends();
    for (const [index, count] of after.entries()) expect(count).toBeGreaterThan(before[index] ?? 0);

    const reader = await openClient({ cluster: { seeds }, auth: token });
    const map = reader.getMap<Uint8Array>('k6');
    await map.synced({ timeoutMs: 20_000 });
    const found = new Map<string, number>();
    for (const [key, value] of map.entries()) {
      expect(value.length).toBe(VALUE_BYTES);
      found.set(key, new DataView(value.buffer, value.byteOffset).getFloat64(0));
    }
    expect(found).toEqual(new Map(reports.flatMap(lastNumbers)));
  }, 90_000);

  it('is not held up by seeds that take connections and never answer', async () => {
    const cluster = await startCluster({ nodes: 1 });
    const bundle = join(tempFolder(), 'cluster-throughput.js');
    await bundleForK6(bundle);
    const silent = await Promise.all([silence(), silence(), silence()]);
    const seeds = [...silent, ...cluster.nodes.map(({ url }) => url)];

    const reports = await runForK6({ bundle, vus: 6, env: { SEEDS: seeds.join(), DURATION: '500ms', BATCH: '10' } });

    const tried = reports
      .flatMap(({ endpoints }) => endpoints)
      .filter((url) => silent.some((one) => url.includes(one)));
    expect(tried.length).toBeGreaterThan(0);
    for (const { error, faults, checks, leftovers, endpoints, metrics } of reports) {
      expect({ error, faults, timers: leftovers.timers }).toEqual({ error: null, faults: [], timers: 0 });
      // k6 gives up on them after a minute by itself, and nothing can hurry it.
      expect(leftovers.sockets).toBeLessThanOrEqual(endpoints.length - 2);
      expect(Object.values(checks)).toEqual([true, true]);
      expect(metrics.topgun_acked_ops?.sum).toBeGreaterThan(0);
    }
  }, 90_000);

  it.each([
    ['reads a global that k6 does not have', 'performance.now()', { missing: ['performance'] }],
    [
      'opens a socket with options that k6 does not know',
      `new WebSocket('ws://127.0.0.1:1', null, { perMessageDeflate: false })`,
      { faults: [`unknown WebSocket's option perMessageDeflate`] },
    ],
    [
      'closes a socket that is being opened',
      `new WebSocket('ws://127.0.0.1:1').close()`,
      { faults: ['close() of a socket that is being opened blocks k6'] },
    ],
  ])('would be caught if it %s', async (_what, code, caught) => {
    const bundle = join(tempFolder(), 'script.js');
    const imports = `import { WebSocket } from 'k6/websockets';`;
    writeFileSync(bundle, `${imports}\nexport default async function () { ${code} }`);
    const [report] = await runForK6({ bundle, vus: 1, env: {} });
    expect(report).toMatchObject(caught);
    expect(report?.error).not.toBeNull();
  });
});

/** The URL of somebody who takes connections and says nothing. */
async function silence(): Promise<string> {
  const server = createServer(() => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What a VU wrote last under each of its keys: its writes are numbered, and go round its keys. */
function lastNumbers({ vu, metrics }: VuReport): [string, number][] {
  const written = metrics.topgun_acked_ops?.sum ?? 0;
  return Array.from({ length: Math.min(written, KEYS) }, (_, slot) => [
    `vu${vu}:${slot}`,
    slot + KEYS * Math.floor((written - 1 - slot) / KEYS),
  ]);
}
