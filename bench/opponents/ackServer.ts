import {
  DEFAULT_LIMITS,
  decodeClientMessage,
  type EntryBatch,
  encodeMessage,
  PROTOCOL_VERSION,
  systemRuntime,
  WIRE_TYPES,
} from '@topgunbuild/core';
import type { WebSocket } from 'ws';
import { answer } from '../harness/answer.js';
import { type AckSink, openSink, type SinkName } from './ackSinks.js';
import { FrameQueue } from './FrameQueue.js';
import { serve } from './serve.js';

/**
 * As little as can acknowledge a TopGun client's writes: no checks, no auth, no merge, no queries. What an acknowledgement
 * is worth depends on the sink: nothing (`none`: a corked pipe, frames are not even decoded), one `put` an operation
 * into LMDB, or a plain log with group commit.
 */
const runtime = systemRuntime();

function welcome(ws: WebSocket): void {
  const serverTime = Math.floor(runtime.now());
  const node = { nodeId: 'bare', clusterId: 'bare', logId: 'bare' };
  const frame = encodeMessage({
    type: 'AUTH_REQUIRED',
    protocol: PROTOCOL_VERSION,
    ...node,
    serverTime,
    limits: DEFAULT_LIMITS,
  });
  ws.send(frame);
}

function ackOf(batchId: number, count: number): Uint8Array {
  return encodeMessage({ type: 'OP_ACK', batchId, ranges: [0, count], rejected: [], notOwner: [] });
}

function onOps(queue: FrameQueue, sink: AckSink, batchId: number, ops: EntryBatch): void {
  sink.write(ops, () => queue.send(ackOf(batchId, ops.count)));
}

/** The id of a batch that is not decoded: the field behind the array's head and the type. */
function batchIdOf(frame: Buffer): number {
  const first = frame[2] as number;
  if (first < 0x80) return first;
  if (first === 0xcc) return frame[3] as number;
  return first === 0xcd ? frame.readUInt16BE(3) : frame.readUInt32BE(3);
}

const role = {
  /** `opsPerFrame`: what to acknowledge when frames are not decoded. */
  async start(name: SinkName, directory: string, opsPerFrame: number): Promise<string> {
    const sink = await openSink(name, directory);
    return serve((ws, socket) => {
      const queue = new FrameQueue(ws, socket);
      welcome(ws);
      ws.on('message', (data) => {
        const frame = data as Buffer;
        if (sink === null && frame[1] === WIRE_TYPES.OP_BATCH) {
          queue.send(ackOf(batchIdOf(frame), opsPerFrame));
          return;
        }
        const message = decodeClientMessage(frame);
        if (message.type === 'OP_BATCH' && sink !== null) onOps(queue, sink, message.batchId, message.ops);
        if (message.type !== 'AUTH') return;
        const serverTime = Math.floor(runtime.now());
        const session = { sessionId: message.clientId, subject: '', expiresAt: 0, serverTime, map: null };
        queue.send(encodeMessage({ type: 'AUTH_ACK', ...session }));
      });
    });
  },
};

export type AckServerRole = typeof role;
answer(role);
