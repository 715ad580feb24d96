import { TopGunClient } from '@topgunbuild/client';
import { answer } from '../harness/answer.js';
import { quantile } from '../harness/rounds.js';
import { clock, pause, sample } from '../harness/sample.js';

/** Many clients in one process, each with some operations in flight. */
interface Member {
  readonly client: TopGunClient;
  readonly set: (n: number) => Promise<void>;
}

const WARM_UP_MS = 500;
const KEYS_EACH = 2_000;
let fleet: Member[] = [];

const role = {
  async connect(url: string, clients: number): Promise<void> {
    fleet = Array.from({ length: clients }, (_, i) => {
      const client = new TopGunClient({ url, clientId: `bench-${process.pid}-${i}` });
      const map = client.getMap('bench');
      return { client, set: (n) => map.set(`client-${i}-${n % KEYS_EACH}`, sample(n)).acked };
    });
    for (const { client } of fleet) await client.start();
    await Promise.all(fleet.map(({ client }) => client.ready({ timeoutMs: 20_000 })));
  },

  /** Writes for `seconds`, each client with `inFlight` unacknowledged operations at any time. */
  async load(seconds: number, inFlight: number): Promise<{ readonly perSecond: number; readonly p50: number }> {
    let acked = 0;
    let stopped = false;
    let latencies: number[] = [];
    const work = async ({ set }: Member, lane: number): Promise<void> => {
      for (let n = lane; !stopped; n += inFlight) {
        const before = clock();
        await set(n);
        acked++;
        if (acked % 16 === 0) latencies.push(clock() - before);
      }
    };
    const lanes = fleet.flatMap((member) => Array.from({ length: inFlight }, (_, lane) => work(member, lane)));
    await pause(WARM_UP_MS);
    const [ackedBefore, from] = [acked, clock()];
    latencies = [];
    await pause(seconds * 1000);
    const perSecond = ((acked - ackedBefore) * 1000) / (clock() - from);
    stopped = true;
    const p50 = quantile(latencies, 0.5);
    await Promise.all(lanes);
    return { perSecond, p50 };
  },

  /** Writes `records` records with keys of their own, and waits until all are acknowledged. */
  async fill(records: number, from = 0): Promise<void> {
    const [first] = fleet;
    if (first === undefined) return;
    const map = first.client.getMap('bench');
    for (let i = 0; i < records; i++) {
      map.set(`record-${from + i}`, sample(from + i));
      if (i % 5_000 === 4_999) await first.client.flush();
    }
    await first.client.flush();
  },

  async close(): Promise<void> {
    await Promise.all(fleet.map(({ client }) => client.close()));
    fleet = [];
  },
};

export type FleetRole = typeof role;
answer(role);
