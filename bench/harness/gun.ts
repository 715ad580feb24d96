import type { Socket } from 'node:net';
import {
  decodeServerMessage,
  EntryBatch,
  encodeMessage,
  type PartitionMap,
  PROTOCOL_VERSION,
  subjectTag,
  Tag,
  WIRE_TYPES,
} from '@topgunbuild/core';
import { WebSocket } from 'ws';
import { ENCODED } from './sample.js';

/**
 * A connection whose frames are encoded, masked and framed before the clock starts, so that hardly any of the machine's
 * time goes into making the load.
 */
export interface Gun {
  readonly socket: Socket;
  readonly replica: string;
  /** What the node told of its cluster; null for bare servers. */
  readonly map: PartitionMap | null;
  /** Called with each answer to a batch. */
  onAck: (ack: Buffer) => void;
}

export interface Load {
  /** Keys of a batch: consecutive ones, beginning anew at the end. */
  readonly keys: readonly string[];
  readonly frames: number;
  readonly opsPerFrame: number;
  /** Whether all keys are the node's own; otherwise it forwards. */
  readonly routed: boolean;
}

const MASK = Buffer.from([0x5a, 0xc3, 0x1e, 0x77]);
/** An answer that refuses anything is longer. */
const CLEAN_ACK_BYTES = 16;

export async function openGun(url: string, clientId: string): Promise<Gun> {
  const ws = new WebSocket(url, { perMessageDeflate: false });
  const socket = await new Promise<Socket>((resolve, reject) => {
    ws.on('upgrade', (response) => ws.once('open', () => resolve(response.socket)));
    ws.on('error', reject);
  });
  ws.send(encodeMessage({ type: 'AUTH', protocol: PROTOCOL_VERSION, token: null, clientId, mapVersion: 0 }));
  const incarnation = Math.random().toString(36).slice(2).padEnd(8, '0').slice(0, 8);
  return new Promise((resolve) => {
    let gun: Gun | null = null;
    ws.on('message', (data) => {
      const frame = data as Buffer;
      if (frame[1] === WIRE_TYPES.OP_ACK) gun?.onAck(frame);
      if (frame[1] !== WIRE_TYPES.AUTH_ACK) return;
      const message = decodeServerMessage(frame);
      const map = message.type === 'AUTH_ACK' ? message.map : null;
      gun = { socket, replica: `${clientId}.${incarnation}.${subjectTag('')}`, map, onAck: () => {} };
      resolve(gun);
    });
  });
}

/** The frames of a load. Their timestamps are later than those of any load that was made before. */
export function loadGun({ replica }: Gun, { keys, frames, opsPerFrame, routed }: Load, mapVersion = 1): Buffer[] {
  const now = Date.now();
  return Array.from({ length: frames }, (_, batchId) => {
    const ops = new EntryBatch();
    for (let n = batchId * opsPerFrame; n < (batchId + 1) * opsPerFrame; n++) {
      const key = keys[n % keys.length] as string;
      ops.add('bench', key, Tag.LWW_SET, now + (n >> 15), n & 0x7fff, replica, 0, ENCODED[n % ENCODED.length]);
    }
    return framed(encodeMessage({ type: 'OP_BATCH', batchId, routed, mapVersion, ops }));
  });
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

/** Sends all frames, `depth` of them unanswered at a time. Resolves when all are acknowledged; what is refused rejects. */
export function shoot(gun: Gun, frames: readonly Buffer[], depth: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const { socket } = gun;
    let next = 0;
    let acked = 0;
    const send = (): void => {
      const frame = frames[next++];
      if (frame !== undefined) socket.write(frame);
    };
    gun.onAck = (ack) => {
      if (ack.length > CLEAN_ACK_BYTES) reject(new Error(`refused: ${JSON.stringify(decodeServerMessage(ack))}`));
      else if (++acked === frames.length) resolve();
      else send();
    };
    socket.cork();
    for (let i = 0; i < depth; i++) send();
    socket.uncork();
  });
}
