import type { Socket } from 'node:net';
import { EntryBatch, encodeMessage, PROTOCOL_VERSION, subjectTag, Tag, WIRE_TYPES } from '@topgunbuild/core';
import { WebSocket } from 'ws';
import { answer } from '../harness/answer.js';
import { clock, ENCODED } from '../harness/sample.js';

/**
 * A raw generator: frames are encoded, masked and framed before the clock starts, so that hardly any of the machine's
 * time goes into making the load.
 */
interface Gun {
  readonly socket: Socket;
  readonly frames: readonly Buffer[];
  onAck: () => void;
}

const MASK = Buffer.from([0x5a, 0xc3, 0x1e, 0x77]);
let guns: Gun[] = [];
let opsPerFrame = 0;

const role = {
  async prepare(url: string, connections: number, framesEach: number, opsEach: number): Promise<void> {
    opsPerFrame = opsEach;
    guns = await Promise.all(Array.from({ length: connections }, (_, i) => prepare(url, i, framesEach)));
  },

  /** Sends everything, each connection with `depth` frames unanswered, and returns acknowledged operations per second. */
  async fire(depth: number): Promise<number> {
    const from = clock();
    await Promise.all(guns.map((gun) => shoot(gun, depth)));
    const seconds = (clock() - from) / 1000;
    let ops = 0;
    for (const { frames, socket } of guns) {
      ops += frames.length * opsPerFrame;
      socket.destroy();
    }
    return ops / seconds;
  },
};

async function prepare(url: string, index: number, frames: number): Promise<Gun> {
  const clientId = `gun-${process.pid}-${index}`;
  const ws = new WebSocket(url, { perMessageDeflate: false });
  const socket = await new Promise<Socket>((resolve, reject) => {
    ws.on('upgrade', (response) => ws.once('open', () => resolve(response.socket)));
    ws.on('error', reject);
  });
  ws.send(encodeMessage({ type: 'AUTH', protocol: PROTOCOL_VERSION, token: null, clientId, mapVersion: 0 }));
  const incarnation = Math.random().toString(36).slice(2).padEnd(8, '0').slice(0, 8);
  const replica = `${clientId}.${incarnation}.${subjectTag('')}`;
  await new Promise<void>((resolve) => {
    ws.on('message', (data) => {
      if ((data as Buffer)[1] === WIRE_TYPES.AUTH_ACK) resolve();
      if ((data as Buffer)[1] === WIRE_TYPES.OP_ACK) gun.onAck();
    });
  });
  const gun: Gun = {
    socket,
    frames: Array.from({ length: frames }, (_, n) => framed(opBatch(replica, n))),
    onAck: () => {},
  };
  return gun;
}

const startedAt = Date.now();

function opBatch(replica: string, batchId: number): Uint8Array {
  const ops = new EntryBatch();
  for (let i = 0; i < opsPerFrame; i++) {
    const n = batchId * opsPerFrame + i;
    const value = ENCODED[n % ENCODED.length];
    const key = `${replica.slice(4, 12)}-${n % 2_000}`;
    ops.add('bench', key, Tag.LWW_SET, startedAt + (n >> 15), n & 0x7fff, replica, 0, value);
  }
  return encodeMessage({ type: 'OP_BATCH', batchId, routed: false, mapVersion: 1, ops });
}

/** The frame as it travels: RFC 6455 with a mask, as every client must. */
function framed(payload: Uint8Array): Buffer {
  const head = payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10;
  const frame = Buffer.alloc(head + 4 + payload.length);
  frame[0] = 0x82;
  frame[1] = 0x80 | (head === 2 ? payload.length : head === 4 ? 126 : 127);
  if (head === 4) frame.writeUInt16BE(payload.length, 2);
  if (head === 10) frame.writeUInt32BE(payload.length, 6);
  MASK.copy(frame, head);
  for (let i = 0; i < payload.length; i++) {
    frame[head + 4 + i] = (payload[i] as number) ^ (MASK[i & 3] as number);
  }
  return frame;
}

function shoot(gun: Gun, depth: number): Promise<void> {
  return new Promise((resolve) => {
    const { socket, frames } = gun;
    let next = 0;
    let acked = 0;
    const send = (): void => {
      const frame = frames[next++];
      if (frame !== undefined) socket.write(frame);
    };
    gun.onAck = () => {
      if (++acked === frames.length) resolve();
      else send();
    };
    socket.cork();
    for (let i = 0; i < depth; i++) send();
    socket.uncork();
  });
}

export type FrameGunRole = typeof role;
answer(role);
