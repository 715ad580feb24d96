import { once } from 'node:events';
import { connect } from 'node:net';
import { DEFAULT_LIMITS, encodeMessage, encodeValue, type Limits } from '@topgunbuild/core';
import { createServer } from '@topgunbuild/server';
import { describe, expect, it, onTestFinished } from 'vitest';
import { maskedFrame, RawClient, upgradeRequest } from '../../packages/server/src/testing/gatewayHarness.js';
import { auth, ops, replicaOf } from '../../packages/server/src/testing/sessionHarness.js';
import { mintToken, SECRET } from '../e2e/support/token.js';
import { SEED } from '../support/seed.js';
import { bytesInUse } from './support/collectGarbage.js';
import { damaged, hostileFrame } from './support/frames.js';
import { ListeningLogger } from './support/ListeningLogger.js';
import { Random } from './support/Random.js';

type Node = Awaited<ReturnType<ReturnType<typeof createServer>['start']>>;

const FRAMES = Number(process.env.HOSTILE_SOCKET_FRAMES ?? 5_000);
const IDLE = Number(process.env.HOSTILE_IDLE ?? 2_000);
const MB = 1024 * 1024;

async function startNode(limits: Partial<Limits> = {}): Promise<{ node: Node; logger: ListeningLogger }> {
  const logger = new ListeningLogger();
  const backbone = { type: 'memory' } as const;
  const node = await createServer({ port: 0, backbone, auth: { secret: SECRET }, limits, logger }).start();
  onTestFinished(() => node.stop({ graceful: false }));
  return { node, logger };
}

function framed(...frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(frames.map((frame) => maskedFrame(2, frame)));
}

/** A TCP connection behind a handshake and an AUTH, which the node has answered. */
async function rawSession(node: Node, clientId: string, subject = 'eve'): Promise<RawClient> {
  const raw = await RawClient.connect(node.port);
  onTestFinished(() => void raw.socket.destroy());
  await raw.upgrade();
  raw.write(framed(encodeMessage(auth({ token: mintToken(subject), clientId }))));
  while (!raw.text.includes('node-1') && !raw.text.includes(subject)) await once(raw.socket, 'data');
  return raw;
}

/** An honest write from connect to acknowledgement. */
async function expectServes(node: Node, key: string): Promise<void> {
  const raw = await rawSession(node, `honest-${key}`, 'ann');
  const row = { map: 'todos', key, ms: Date.now(), replica: replicaOf(`honest-${key}`, 'ann'), value: key };
  raw.write(framed(encodeMessage({ type: 'OP_BATCH', batchId: 1, routed: false, mapVersion: 1, ops: ops(row) })));
  while (node.read('todos', key) !== key) await new Promise((resolve) => setTimeout(resolve, 5));
  raw.socket.destroy();
}

describe('on real sockets', () => {
  it(`${FRAMES} hostile frames, well framed and not, harm nobody`, async () => {
    const { node, logger } = await startNode({ maxOpsPerSecond: 1_000_000 });
    const random = new Random(SEED);
    for (let sent = 0, i = 0; sent < FRAMES; i++) {
      const raw = await rawSession(node, `fuzz-${i}`);
      let isOpen = true;
      void raw.closed.then(() => {
        isOpen = false;
      });
      for (let n = 0; n < 50 && isOpen; n++, sent++) {
        const frame = hostileFrame(random, `fuzz-${i}`, 'eve');
        // Most in frames of WebSocket, some in damaged ones, in one piece or two.
        const bytes = random.chance(0.95) ? framed(frame) : damaged(random, framed(frame));
        const cut = random.below(bytes.length);
        raw.write(bytes.subarray(0, cut));
        if (random.chance(0.1)) await new Promise((resolve) => setImmediate(resolve));
        raw.write(bytes.subarray(cut));
        if (n % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      if (random.chance(0.5)) raw.socket.resetAndDestroy();
      else raw.socket.destroy();
    }
    expect(logger.errors, `TOPGUN_SEED=${SEED}`).toEqual([]);
    await expectServes(node, 'after');
  }, 600_000);

  it('a flood of pings from a peer that reads no pongs takes no memory, and ends', async () => {
    const { node } = await startNode();
    const raw = await rawSession(node, 'c1');
    raw.socket.pause();
    const before = await bytesInUse();
    const pings = Buffer.concat(new Array<Buffer>(2_000).fill(maskedFrame(9, new Uint8Array(125))));
    for (let i = 0; i < 400 && !raw.socket.destroyed; i++) {
      if (!raw.socket.write(pings)) await Promise.race([once(raw.socket, 'drain'), raw.closed]).catch(() => undefined);
    }
    expect(raw.socket.destroyed).toBe(true);
    expect((await bytesInUse()) - before).toBeLessThan(16 * MB);
    await expectServes(node, 'after-pings');
  }, 60_000);

  it('three hundred handshakes and frames that come a byte at a time do not keep others waiting', async () => {
    const { node } = await startNode({ authTimeoutMs: 2_000 });
    const slow = await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const raw = await RawClient.connect(node.port);
        if (i % 2 === 0) await raw.upgrade();
        return { raw, bytes: i % 2 === 0 ? framed(new Uint8Array(5_000)) : Buffer.from(upgradeRequest()) };
      }),
    );
    const timer = setInterval(() => {
      for (const { raw, bytes } of slow)
        raw.write(bytes.subarray(raw.socket.bytesWritten % bytes.length).subarray(0, 1));
    }, 50);
    onTestFinished(() => clearInterval(timer));
    await expectServes(node, 'meanwhile');
    await Promise.all(slow.map(({ raw }) => raw.closed));
  }, 30_000);

  it('connections over the limit are turned away before they are anybody, and places come back', async () => {
    const { node } = await startNode({ maxSessions: 20, authTimeoutMs: 1_000 });
    const many = await Promise.all(Array.from({ length: 200 }, () => RawClient.connect(node.port)));
    for (const raw of many) raw.write(upgradeRequest());
    await Promise.all(many.map((raw) => raw.closed));
    const answers = many.map((raw) => raw.text.slice(9, 12));
    expect(answers.filter((status) => status === '101')).toHaveLength(20);
    expect(answers.filter((status) => status === '503')).toHaveLength(180);
    await expectServes(node, 'after-flood');
  }, 30_000);

  it('a token in a URL is refused wherever it stands, and never logged', async () => {
    const { node, logger } = await startNode();
    const token = mintToken('eve');
    for (const target of [
      `/?token=${token}`,
      `/?x=${token}`,
      `/?x=Bearer%20${token}`,
      `/${token}`,
      `/ws/${token}/x`,
      `/?${token}`,
      `/#${token}`,
    ]) {
      const raw = await RawClient.connect(node.port);
      raw.write(upgradeRequest().replace('GET / ', `GET ${target} `));
      await raw.closed;
      expect(raw.text.slice(9, 12), target.replace(token, 'TOKEN')).toBe('400');
    }
    expect(logger.lines.join('\n')).not.toContain(token.slice(0, 30));
  });

  it(`${IDLE} idle connections cost little memory each`, async () => {
    const { node } = await startNode();
    const socket = async (): Promise<void> => {
      const raw = connect(node.port, '127.0.0.1');
      onTestFinished(() => void raw.destroy());
      await once(raw, 'connect');
      raw.write(upgradeRequest());
      raw.write(framed(encodeMessage(auth({ token: mintToken('eve'), clientId: `idle-${raw.localPort}` }))));
      await once(raw, 'data');
    };
    await socket();
    const before = await bytesInUse();
    for (let i = 0; i < IDLE; i += 100) await Promise.all(Array.from({ length: 100 }, socket));
    while (
      !JSON.stringify(await (await fetch(`http://127.0.0.1:${node.port}/cluster`)).json()).includes(
        `"sessions":${IDLE + 1}`,
      )
    ) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const each = ((await bytesInUse()) - before) / IDLE;
    process.stdout.write(`idle: ${(each / 1024).toFixed(1)} KiB a connection, its client's end included\n`);
    expect(each).toBeLessThan(64 * 1024);
  }, 60_000);

  it('topics at full speed to many readers of which some have stopped: all others get everything', async () => {
    const { node } = await startNode({ maxSendBufferBytes: 2 * MB, maxOpsPerSecond: DEFAULT_LIMITS.maxOpsPerSecond });
    const readers = await Promise.all(Array.from({ length: 10 }, (_, i) => rawSession(node, `reader-${i}`)));
    for (const [i, raw] of readers.entries()) {
      raw.write(framed(encodeMessage({ type: 'TOPIC_SUB', topic: 'news' })));
      if (i < 5) raw.socket.pause();
    }
    const publisher = await rawSession(node, 'publisher');
    const before = await bytesInUse();
    const message = encodeValue('x'.repeat(5_000));
    const frames = framed(
      ...new Array<Uint8Array>(20).fill(encodeMessage({ type: 'TOPIC_PUB', topic: 'news', payload: message })),
    );
    const most = (): number => Math.max(...readers.slice(5).map((raw) => raw.bytes));
    for (let i = 0; i < 200; i++) {
      publisher.write(frames);
      while (most() < i * 20 * 5_000) await new Promise((resolve) => setImmediate(resolve));
    }
    const all = 200 * 20 * 5_000;
    while (readers.slice(5).some((raw) => raw.bytes < all)) await new Promise((resolve) => setImmediate(resolve));
    expect((await bytesInUse()) - before).toBeLessThan(32 * MB);
  }, 60_000);
});
