import { answer } from '../harness/answer.js';
import { Lanes, type Reading, type Write } from '../harness/Lanes.js';
import { quantile } from '../harness/rounds.js';
import { type ClusterAddress, type ClusterPeer, connectClusterPeer, type Routes } from '../peers/clusterPeer.js';

/** Many clients of a cluster in one process, each with some writes of 100 bytes in flight. */
const KEYS_EACH = 2_000;
const VALUES = Array.from({ length: 100 }, (_, n) => `value ${n} `.padEnd(100, 'abcdefghij'));

let peers: ClusterPeer[] = [];
let writes: readonly Write[] = [];
let lanes: Lanes | null = null;

const role = {
  async connect(address: ClusterAddress, clients: number): Promise<void> {
    for (let i = 0; i < clients; i++) peers.push(await connectClusterPeer(address, `fleet-${process.pid}-${i}`));
    writes = peers.map((peer, client) => {
      const keys = Array.from({ length: KEYS_EACH }, (_, n) => `fleet-${process.pid}-${client}-${n}`);
      return (n) => peer.set(keys[n % KEYS_EACH] as string, VALUES[n % VALUES.length] as string);
    });
  },

  begin(inFlight: number): void {
    lanes = new Lanes(writes, inFlight);
  },

  read(): Reading & Routes {
    if (lanes === null) throw new Error('nothing has begun');
    const routes = peers.map((peer) => peer.routes());
    return {
      ...lanes.read(),
      direct: routes.reduce((sum, { direct }) => sum + direct, 0),
      all: routes.reduce((sum, { all }) => sum + all, 0),
    };
  },

  /** Returns the median and the 99th percentile of the times that writes waited, ms. */
  async end(): Promise<readonly [number, number]> {
    const waits = (await lanes?.stop()) ?? [];
    return [quantile(waits, 0.5), quantile(waits, 0.99)];
  },

  async close(): Promise<void> {
    await Promise.all(peers.map((peer) => peer.close()));
    peers = [];
  },
};

export type ClusterFleetRole = typeof role;
answer(role);
