import type { Bench, BenchContext } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { compare } from '../harness/format.js';
import { takeTurns } from '../harness/rounds.js';
import { startAckServer, startNode } from '../harness/servers.js';
import type { FleetRole } from '../processes/fleet.js';

const CLIENTS = 50;

export const writes: Bench = {
  name: 'writes',
  about:
    'Durable writes by 50 real clients in one process, each awaiting the acknowledgement of every operation: a node with an embedded store beside bare servers that do nothing but store and acknowledge the same frames, one LMDB `put` an operation or a plain log with group commit.',
  async run(context) {
    const servers = [
      await startNode(context, 'embedded'),
      await startAckServer(context, 'lmdb'),
      await startAckServer(context, 'log'),
    ];
    const [node, lmdb, log] = await Promise.all(servers.map(({ url }) => connect(url)));
    if (node === undefined || lmdb === undefined || log === undefined) return [];
    for (const fleet of [node, lmdb, log]) await fleet.call('load', context.scale(2), 10);
    const rows = [];
    for (const inFlight of [1, 10, 100]) {
      const speed = await compareLoads(context, inFlight, { node, lmdb, log });
      const what = `acked durable writes, ${CLIENTS} clients x ${inFlight} in flight`;
      const goal = inFlight === 10 ? { atLeast: 5 } : null;
      rows.push(
        compare(what, speed.node, 'LMDB, one put an op', speed.lmdb, 'ops/s', goal),
        compare(what, speed.node, 'bare group-commit log', speed.log, 'ops/s'),
      );
    }
    await Promise.all([node, lmdb, log].map((fleet) => fleet.stop()));
    await Promise.all(servers.map(({ child }) => child.stop()));
    return rows;
  },
};

async function connect(url: string): Promise<Child<FleetRole>> {
  const fleet = new Child<FleetRole>(new URL('../processes/fleet.ts', import.meta.url));
  await fleet.call('connect', url, CLIENTS);
  return fleet;
}

function compareLoads<Name extends string>(
  { rounds, scale }: BenchContext,
  inFlight: number,
  fleets: Readonly<Record<Name, Child<FleetRole>>>,
): Promise<Record<Name, number>> {
  const load = (fleet: Child<FleetRole>) => async (): Promise<number> =>
    (await fleet.call('load', scale(2), inFlight)).perSecond;
  const names = Object.keys(fleets) as Name[];
  const candidates = Object.fromEntries(names.map((name) => [name, load(fleets[name])]));
  return takeTurns(rounds, candidates as Record<Name, () => Promise<number>>);
}
