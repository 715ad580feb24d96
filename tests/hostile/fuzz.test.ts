import {
  decodeClientMessage,
  decodeServerMessage,
  EntryBatch,
  encodeMessage,
  type QueryRecordsMessage,
  Tag,
} from '@topgunbuild/core';
import { expect, it } from 'vitest';
import type { Session } from '../../packages/server/src/session/Session.js';
import type { LocalDataPlane } from '../../packages/server/src/shard/LocalDataPlane.js';
import type { TestRuntime } from '../../packages/server/src/testing/TestRuntime.js';
import { SEED } from '../support/seed.js';
import { bytesInUse } from './support/collectGarbage.js';
import { FuzzPeer } from './support/FuzzPeer.js';
import { hostileFrame, replica } from './support/frames.js';
import { Random } from './support/Random.js';
import { VirtualNode } from './support/VirtualNode.js';

const FRAMES = Number(process.env.HOSTILE_FRAMES ?? 100_000);
const SUBJECTS = ['ann', 'bob', 'eve'];
const STATES = ['handshaking', 'authenticating', 'active', 'active', 'active', 'active', 'leaving', 'closing'] as const;
/** Virtual time moves on after so many frames. */
const ROUND = 20;
const MAX_FRAME_MS = 500;

interface Target {
  readonly session: Session;
  readonly peer: FuzzPeer;
  readonly clientId: string;
  readonly subject: string;
}

/** A session brought into `state` by an honest peer; those that are active have a live query, a window and a topic open. */
async function targetIn(state: (typeof STATES)[number], node: VirtualNode, index: number): Promise<Target> {
  const peer = new FuzzPeer();
  const session = node.accept(peer);
  const subject = SUBJECTS[index % SUBJECTS.length] as string;
  const target = { session, peer, clientId: `c-${subject}`, subject };
  if (state === 'handshaking') return target;
  const token = state === 'authenticating' ? 'never' : subject;
  session.onFrame(encodeMessage({ type: 'AUTH', protocol: 1, token, clientId: target.clientId, mapVersion: 0 }));
  await node.settle();
  if (state === 'authenticating') return target;
  const sub = { type: 'QUERY_SUB', map: 'todos', logId: null, cursors: [], shards: null } as const;
  session.onFrame(encodeMessage({ ...sub, queryId: 100, query: {} }));
  session.onFrame(
    encodeMessage({ ...sub, queryId: 101, query: { where: { a: { $gt: 1 } }, sort: { a: 'asc' }, limit: 3 } }),
  );
  session.onFrame(encodeMessage({ type: 'TOPIC_SUB', topic: 'todos' }));
  if (state === 'leaving') {
    // A write under way is what keeps a session in this state.
    const ops = new EntryBatch();
    ops.add(
      'todos',
      'leaving',
      Tag.LWW_REMOVE,
      node.runtime.now(),
      index % 65_536,
      replica(new Random(1), target.clientId, subject),
      0,
    );
    session.onFrame(encodeMessage({ type: 'OP_BATCH', batchId: 1, routed: false, mapVersion: 1, ops }));
    session.goodbye('test', 0);
  }
  if (state === 'closing') session.close(1001, 'test');
  return target;
}

function operationsIn(frame: Uint8Array): EntryBatch | null {
  try {
    const message = decodeClientMessage(frame);
    return message.type === 'OP_BATCH' ? message.ops : null;
  } catch {
    return null;
  }
}

/** Every record of `map`, tombstones included, as text. */
function contentOf(plane: LocalDataPlane, map: string, runtime: TestRuntime): string[] {
  const rows: string[] = [];
  let isWhole = false;
  const send = (frame: Uint8Array): void => {
    const message = decodeServerMessage(frame) as QueryRecordsMessage;
    const { records } = message;
    isWhole ||= message.last;
    for (let i = 0; i < records.count; i++) {
      const stamp = [records.ms[i], records.counters[i], records.replicas[i]].join('.');
      rows.push(JSON.stringify([records.keys[i], records.tags[i], stamp, records.expires[i], [...records.bytes(i)]]));
    }
  };
  const request = {
    queryId: 1,
    map,
    query: {},
    logId: null,
    cursors: [],
    restriction: null,
    shards: null,
    onMoved: () => undefined,
  };
  const stream = plane.subscribe(request, { send, hasRoom: true });
  // Catch-ups take turns: this one may have to wait for its own.
  for (let turn = 0; !isWhole && turn < 1_000; turn++) runtime.advance(0);
  expect(isWhole, `map ${JSON.stringify(map)} is sent to its end`).toBe(true);
  stream.close();
  return rows.sort();
}

it(`${FRAMES} hostile frames at any state: never a crash, a hang, a leak, or a change that nobody was allowed to make`, async () => {
  const random = new Random(SEED);
  const node = await VirtualNode.start({ maxOpsPerSecond: 1_000_000 });
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', onRejection);
  const maps = new Set<string>(['todos']);
  let targets: Target[] = [];
  let slowest = 0;
  let slowestFrame = '';
  let first = 0;
  let last: { sent: number; state: string; frame: Uint8Array } = { sent: 0, state: '', frame: new Uint8Array(0) };
  const context = (): string =>
    `TOPGUN_SEED=${SEED}, frame ${last.sent} in state ${last.state}: ${Buffer.from(last.frame).toString('hex', 0, 400)}`;
  for (let sent = 0; sent < FRAMES; sent++) {
    if (sent % ROUND === 0) {
      await node.settle();
      for (const { session, peer } of targets) if (peer.closed !== null) session.onClosed();
      // Leaving and closed sessions come to an end; the others live until the frames have ended them.
      targets = targets.filter(({ session }) => session.state !== 'closed' && session.state !== 'leaving');
      while (targets.length < STATES.length) targets.push(await targetIn(random.pick(STATES), node, sent));
      node.runtime.advance(sent % (ROUND * 500) === 0 ? 11_000 : 1);
      if (sent >= FRAMES / 5 && first === 0) first = await bytesInUse();
    }
    const { session, peer, clientId, subject } = random.pick(targets);
    const frame = hostileFrame(random, clientId, subject);
    const before = session.state;
    const ops = operationsIn(frame);
    const mayChange = before === 'active' || before === 'leaving';
    const digest = mayChange ? '' : node.digest();
    last = { sent, state: before, frame };
    // Time on the processor: on a busy machine the clock on the wall says nothing about a frame.
    const start = process.cpuUsage();
    session.onFrame(frame);
    const { user, system } = process.cpuUsage(start);
    if ((user + system) / 1_000 > slowest) {
      slowest = (user + system) / 1_000;
      slowestFrame = context();
    }
    for (const map of ops?.maps ?? []) if (map !== '') maps.add(map);
    const isSound = peer.complaints.length === 0 && node.logger.errors.length === 0;
    if (isSound && (mayChange || node.digest() === digest)) continue;
    expect(peer.complaints, context()).toEqual([]);
    expect(node.logger.errors, context()).toEqual([]);
    expect(node.digest(), context()).toBe(digest);
  }
  await node.settle();
  for (const { session } of targets) session.onClosed();
  targets = [];
  node.runtime.advance(20_000);
  await node.settle();
  process.off('unhandledRejection', onRejection);

  expect(rejections).toEqual([]);
  expect(slowest, `the slowest frame took ${slowest} ms; ${slowestFrame}`).toBeLessThan(MAX_FRAME_MS);
  expect(node.sessions.size).toBe(0);
  expect(node.topics.size).toBe(0);
  expect(node.rowGuard.size).toBe(0);
  expect(node.counters.subscriptions).toBe(0);
  expect(node.plane.stats()).toMatchObject({ streams: 0, windows: 0, totals: { queuedBytes: 0 } });
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  // What was accepted survives a restart, byte for byte.
  const restarted = node.createPlane();
  await restarted.open();
  for (const map of maps) {
    const expected = contentOf(node.plane, map, node.runtime);
    expect(contentOf(restarted, map, node.runtime), `map ${JSON.stringify(map)}; ${context()}`).toEqual(expected);
  }
  const { opsApplied, records } = node.plane.stats().totals;
  expect(opsApplied).toBeGreaterThan(FRAMES / 100);
  const grown = (await bytesInUse()) - first;
  // The log in memory keeps every operation that was accepted.
  expect(grown, `grown by ${grown} bytes`).toBeLessThan(16e6 + FRAMES * 40);
  process.stdout.write(
    `fuzz: seed ${SEED}, ${FRAMES} frames, ${opsApplied} ops applied, ${records} records, ${maps.size} maps, slowest ${slowest.toFixed(1)} ms, heap ${(grown / 1e6).toFixed(1)} MB grown\n`,
  );
}, 3_600_000);
