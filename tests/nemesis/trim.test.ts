import { DEFAULT_LIMITS, EntryBatch, encodeValue, subjectTag, systemRuntime, Tag } from '@topgunbuild/core';
import { expect, it, onTestFinished } from 'vitest';
import { NatsBackbone } from '../../packages/server/src/backbone/nats/NatsBackbone.js';
import { LocalDataPlane } from '../../packages/server/src/shard/LocalDataPlane.js';
import type { Role } from '../../packages/server/src/shard/Role.js';
import { eventually } from '../e2e/support/eventually.js';
import { NatsServer } from '../support/NatsServer.js';
import { pause } from './runUnderFire.js';

const SHARDS = 2;
const NODES = 3;
const WRITERS = 8;
const MOVES = 60;
const MAP = 'm';

interface Node {
  readonly backbone: NatsBackbone;
  readonly plane: LocalDataPlane;
}

/** A node's data on real NATS, which takes a snapshot and trims the log after every few records. */
async function startNode(nats: NatsServer, nodeId: string): Promise<Node> {
  const runtime = systemRuntime();
  const backbone = new NatsBackbone({ servers: [nats.url], shardCount: SHARDS, runtime });
  await backbone.open();
  const options = { snapshotLogBytes: 2_000, recordCostBytes: 0, snapshotDelayMs: 0 };
  const plane = new LocalDataPlane({ nodeId, backbone, runtime, limits: DEFAULT_LIMITS, shardCount: SHARDS, options });
  await plane.open();
  onTestFinished(async () => {
    await plane.close();
    await backbone.close();
  });
  return { backbone, plane };
}

/** Writes one register again and again wherever it is taken, and remembers what was acknowledged. */
class Register {
  readonly key: string;
  /** The last value that was. */
  acked = 0;
  ackedWrites = 0;
  refused = 0;
  #value = 0;
  readonly #replica: string;

  constructor(name: string) {
    this.key = name;
    this.#replica = `${name}.incarnat.${subjectTag('')}`;
  }

  async write({ plane }: Node): Promise<void> {
    const value = ++this.#value;
    const ops = new EntryBatch();
    ops.add(MAP, this.key, Tag.LWW_SET, Date.now(), value % 65_536, this.#replica, 0, encodeValue(value));
    const isTaken = await new Promise<boolean>((resolve) => {
      plane.write(ops, null, (rejected, notOwner) => resolve(rejected.length + notOwner.length === 0));
    });
    if (isTaken) {
      this.acked = value;
      this.ackedWrites++;
    } else this.refused++;
  }

  get attempted(): number {
    return this.#value;
  }
}

it('a log that is trimmed all the time, with owners that change and some that do not know, loses nothing', async () => {
  const nats = await NatsServer.start();
  onTestFinished(() => nats.stop());
  const nodes = [await startNode(nats, 'n0'), await startNode(nats, 'n1'), await startNode(nats, 'n2')];
  let epoch = 0;
  const assign = (ownerIndex: number, told: readonly Node[]): void => {
    epoch++;
    for (const node of told) {
      const role: Role = nodes.indexOf(node) === ownerIndex ? { name: 'owner', epoch } : { name: 'standby' };
      node.plane.setRoles(Array.from({ length: SHARDS }, () => role));
    }
  };
  assign(0, nodes);

  let isOver = false;
  const registers = Array.from({ length: WRITERS }, (_, index) => new Register(`w${index}`));
  const writers = registers.map(async (register, index) => {
    for (let n = index; !isOver; n++) {
      // At every node in turn: also at those that were succeeded and have not heard of it.
      await register.write(nodes[n % NODES] as Node);
      await pause(1);
    }
  });
  for (let move = 1; move <= MOVES; move++) {
    const former = nodes[(move - 1) % NODES];
    const isSilent = move % 2 === 0;
    assign(
      move % NODES,
      nodes.filter((node) => !isSilent || node !== former),
    );
    await pause(50);
  }
  isOver = true;
  await Promise.all(writers);

  const expectAll = async (node: Node): Promise<void> => {
    assign(nodes.indexOf(node), nodes);
    await eventually('the shards are served', () => node.plane.hosting().every(({ readiness }) => readiness === 2));
    for (const { key, acked, attempted } of registers) {
      const value = Number(node.plane.read(MAP, key)?.value ?? 0);
      expect(value, key).toBeGreaterThanOrEqual(acked);
      expect(value, key).toBeLessThanOrEqual(attempted);
    }
  };
  for (const node of nodes) await expectAll(node);
  // From the snapshots and what is left of the log, as after a restart.
  const fresh = await startNode(nats, 'fresh');
  nodes.push(fresh);
  await expectAll(fresh);

  // The run was worth something: the logs were trimmed, and writes at former owners were refused.
  for (let shard = 0; shard < SHARDS; shard++) {
    for await (const first of fresh.backbone.log.read(shard, 0)) {
      expect(first.prev).toBeGreaterThan(100);
      break;
    }
  }
  const acked = registers.reduce((sum, register) => sum + register.ackedWrites, 0);
  const refused = registers.reduce((sum, register) => sum + register.refused, 0);
  const takeovers = nodes.reduce((sum, { plane }) => sum + plane.stats().totals.takeovers, 0);
  const fenced = nodes.reduce((sum, { plane }) => sum + plane.stats().totals.appendsFenced, 0);
  process.stdout.write(
    `trimmed log: ${acked} writes acked, ${refused} refused, ${takeovers} takeovers, ${fenced} appends of former owners fenced\n`,
  );
  expect(fenced).toBeGreaterThan(0);
  expect(takeovers).toBeGreaterThan(MOVES);
  expect(refused).toBeGreaterThan(MOVES);
}, 120_000);
