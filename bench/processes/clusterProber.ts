import { DEFAULT_SHARD_COUNT, shardOfKey } from '@topgunbuild/core';
import { answer } from '../harness/answer.js';
import { clock, pause } from '../harness/sample.js';
import { SLOT_GROUP, SLOTS, slotOf } from '../opponents/redisSlots.js';
import { type ClusterAddress, type ClusterPeer, connectClusterPeer } from '../peers/clusterPeer.js';

/**
 * Clients that write keys of all shards (TopGun) or groups of slots (Redis) of a cluster, one write after the other for
 * each, and afterwards look whether everything is there.
 */
const CLIENTS = 8;
const KEYS_OF_GROUP = 1_000;
const BETWEEN_WRITES_MS = 2;
const BEFORE_RETRY_MS = 20;
const VALUE_BYTES = 100;

interface Group {
  readonly keys: readonly string[];
  readonly peer: ClusterPeer;
  /** When the last acknowledged write began. */
  ackedFrom: number;
  longest: number;
}

/** What became of a run of writes. */
export interface Outcome {
  /** By group: how long the slowest write waited for its acknowledgement, ms. */
  readonly waits: readonly number[];
  readonly acked: number;
  /** Acknowledged writes that are not there. */
  readonly lost: number;
}

let address: ClusterAddress = { topgun: [] };
let groups: Group[] = [];
let isOver = true;
let done: Promise<unknown> = Promise.resolve();
/** By key: the number of the last write that was acknowledged. */
const expected = new Map<string, number>();
let acked = 0;
let lastNumber = 0;
let readers = 0;

const role = {
  async connect(where: ClusterAddress): Promise<void> {
    address = where;
    const peers: ClusterPeer[] = [];
    for (let i = 0; i < CLIENTS; i++) peers.push(await connectClusterPeer(address, `prober-${process.pid}-${i}`));
    groups = keysByGroup('topgun' in address).map((keys, index) => {
      return { keys, peer: peers[index % CLIENTS] as ClusterPeer, ackedFrom: 0, longest: 0 };
    });
  },

  begin(): void {
    acked = 0;
    isOver = false;
    done = Promise.all(groups.map((group) => write(group)));
  },

  /** Whether writes to all of these groups that began after `since` were acknowledged. */
  haveWritten(which: readonly number[], since: number): boolean {
    return which.every((index) => (groups[index]?.ackedFrom ?? 0) > since);
  },

  /** Stops writing, and reads everything by a client that has nothing yet. `where`: where to find the cluster now. */
  async end(where: ClusterAddress): Promise<Outcome> {
    isOver = true;
    await done;
    const reader = await connectClusterPeer(where, `reader-${process.pid}-${readers++}`);
    const found = await reader.all([...expected.keys()]);
    await reader.close();
    let lost = 0;
    for (const [key, number] of expected) {
      // What was written later than what was acknowledged is there by right: its answer was not waited for.
      if (Number.parseInt(found.get(key) ?? '0', 10) >= number) continue;
      lost++;
      expected.delete(key);
    }
    return { waits: groups.map(({ longest }) => longest), acked, lost };
  },
};

/** Keys of each group; a group is owned by one node at a time. */
function keysByGroup(isTopGun: boolean): string[][] {
  const count = isTopGun ? DEFAULT_SHARD_COUNT : SLOTS / SLOT_GROUP;
  const all = Array.from({ length: count }, (): string[] => []);
  for (let n = 0; all.some((keys) => keys.length < KEYS_OF_GROUP); n++) {
    const key = `probe-${n}`;
    const keys = all[isTopGun ? shardOfKey(key, count) : Math.floor(slotOf(key) / SLOT_GROUP)];
    if (keys !== undefined && keys.length < KEYS_OF_GROUP) keys.push(key);
  }
  return all;
}

async function write(group: Group): Promise<void> {
  group.longest = 0;
  for (let n = 0; !isOver; n++) {
    const key = group.keys[n % KEYS_OF_GROUP] as string;
    const number = ++lastNumber;
    const value = `${number} `.padEnd(VALUE_BYTES, 'abcdefghij');
    const from = clock();
    while (!(await isAcked(group.peer.set(key, value)))) await pause(BEFORE_RETRY_MS);
    group.ackedFrom = from;
    group.longest = Math.max(group.longest, clock() - from);
    expected.set(key, number);
    acked++;
    await pause(BETWEEN_WRITES_MS);
  }
}

function isAcked(write: Promise<unknown>): Promise<boolean> {
  return write.then(
    () => true,
    () => false,
  );
}

export type ClusterProberRole = typeof role;
answer(role);
