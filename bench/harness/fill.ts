import type { FleetRole } from '../processes/fleet.js';
import type { WritersRole } from '../processes/writers.js';
import { Child } from './Child.js';

/** Puts `records` records, from number `from` on, into the map of a node, by a client that leaves. */
export async function fillNode(url: string, records: number, from = 0): Promise<void> {
  const fleet = new Child<FleetRole>(new URL('../processes/fleet.ts', import.meta.url));
  await fleet.call('connect', url, 1);
  await fleet.call('fill', records, from);
  await fleet.call('close');
  await fleet.stop();
}

/** The same for a document of Yjs, a hundred records a transaction. */
export async function fillYjs(url: string, records: number): Promise<void> {
  const writer = new Child<WritersRole>(new URL('../processes/writers.ts', import.meta.url));
  await writer.call('fillYjs', url, records);
  await writer.stop();
}
