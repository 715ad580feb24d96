/**
 * How many durable operations a second a cluster acknowledges to many applications at once. Every VU is one application: the real
 * client in cluster mode, writing batches with a bound of operations in flight. See README.md.
 */
import { TopGunClient } from '@topgunbuild/client';
import { check } from 'k6';
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import type { Options } from 'k6/options';
import { clearTimeout, setTimeout } from 'k6/timers';
import { K6WebSocket } from './K6WebSocket.js';
import { k6Runtime } from './k6Runtime.js';
import { readSettings } from './readSettings.js';

const { seeds, token, vus, durationMs, batch, inFlight, valueBytes } = readSettings(__ENV);

/** Keys of a VU. Far more than operations in flight: a newer write on a key takes the place of one that was not sent yet. */
const KEYS = Math.max(1_000, inFlight * 2);
const WAIT_MS = 30_000;

const ackedOps = new Counter('topgun_acked_ops');
const rejectedOps = new Counter('topgun_rejected_ops');
/** From the first `set` of a batch until its last answer. */
const ackTime = new Trend('topgun_ack_time', true);
const directRoutes = new Counter('topgun_direct_routes');
const fallbackRoutes = new Counter('topgun_fallback_routes');
const partitionMisses = new Counter('topgun_partition_misses');
const notOwnerRetries = new Counter('topgun_not_owner_retries');

export const options: Options = {
  scenarios: {
    writers: {
      executor: 'per-vu-iterations',
      vus,
      // An iteration ends when its sockets are closed, so a client cannot outlive one: it writes for the whole time.
      iterations: 1,
      maxDuration: `${Math.ceil((durationMs + WAIT_MS) / 1_000)}s`,
    },
  },
  thresholds: {
    topgun_acked_ops: ['rate>50000'],
    topgun_rejected_ops: ['count==0'],
    checks: ['rate==1'],
  },
};

export default async function writeForTheWholeTime(): Promise<void> {
  const client = new TopGunClient({
    cluster: { seeds },
    runtime: k6Runtime(),
    WebSocket: K6WebSocket,
    ...(token === '' ? {} : { auth: token }),
  });
  try {
    await client.start();
    await client.ready({ timeoutMs: WAIT_MS });
    await connected(client);
    const lanes = Array.from({ length: Math.max(1, Math.floor(inFlight / batch)) });
    const vu = new Writer(client);
    await Promise.all(lanes.map(() => vu.writeUntil(Date.now() + durationMs)));
    report(client);
  } finally {
    await client.close();
  }
}

/** Until then operations of some keys take a detour, which is not what is measured. Gives up waiting, but does not fail. */
function connected(client: TopGunClient): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(finish, WAIT_MS);
    const unsubscribe = client.on('node', look);
    look();
    function look(): void {
      if (isConnected(client)) finish();
    }
    function finish(): void {
      clearTimeout(timer);
      unsubscribe();
      resolve();
    }
  });
}

function isConnected(client: TopGunClient): boolean {
  return client.getConnectedNodes().length === client.getClusterStats()?.nodeCount;
}

/** What one VU writes: its own keys, one after the other, with the number of the write in the value. */
class Writer {
  readonly #client: TopGunClient;
  readonly #prefix = `vu${exec.vu.idInTest}`;
  readonly #value = new Uint8Array(valueBytes);
  readonly #number = new DataView(this.#value.buffer);
  #written = 0;
  #rejected = 0;
  #acked = 0;

  constructor(client: TopGunClient) {
    this.#client = client;
    client.on('write-rejected', () => {
      this.#rejected++;
      rejectedOps.add(1);
    });
    // A metric without samples has no threshold.
    rejectedOps.add(0);
  }

  /** Writes a batch, waits until it was answered, and so on. Several at once keep several batches in flight. */
  async writeUntil(endMs: number): Promise<void> {
    const map = this.#client.getMap<Uint8Array>('k6');
    while (Date.now() < endMs) {
      const startMs = Date.now();
      for (let i = 0; i < batch; i++) {
        this.#number.setFloat64(0, this.#written);
        map.set(`${this.#prefix}:${this.#written % KEYS}`, this.#value);
        this.#written++;
      }
      await this.#client.flush({ timeoutMs: WAIT_MS });
      ackTime.add(Date.now() - startMs);
      this.#count();
    }
  }

  #count(): void {
    const acked = this.#written - this.#rejected - this.#client.pendingWrites;
    ackedOps.add(acked - this.#acked);
    this.#acked = acked;
  }
}

function report(client: TopGunClient): void {
  const routes = client.getRoutingMetrics();
  directRoutes.add(routes.directRoutes);
  fallbackRoutes.add(routes.fallbackRoutes);
  partitionMisses.add(routes.partitionMisses);
  notOwnerRetries.add(routes.notOwnerRetries);
  check(client, {
    'every write was answered': () => client.pendingWrites === 0,
    'connected to every node of the map': () => isConnected(client),
  });
}
