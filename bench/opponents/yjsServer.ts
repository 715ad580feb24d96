import { createDecoder, readVarUint, readVarUint8Array } from 'lib0/decoding';
import { createEncoder, length, toUint8Array, writeVarUint, writeVarUint8Array } from 'lib0/encoding';
import type { WebSocket } from 'ws';
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from 'y-protocols/awareness';
import { readSyncMessage, writeSyncStep1, writeUpdate } from 'y-protocols/sync';
import { Doc } from 'yjs';
import { answer } from '../harness/answer.js';
import { memoryInUse } from '../harness/sample.js';
import { serve } from './serve.js';

/** The server that y-websocket's documentation describes: y-protocols over `ws`, documents in memory, one a path. */
interface Room {
  readonly doc: Doc;
  readonly awareness: Awareness;
  readonly sockets: Set<WebSocket>;
}

const SYNC = 0;
const AWARENESS = 1;
const rooms = new Map<string, Room>();

function roomAt(path: string): Room {
  let room = rooms.get(path);
  if (room === undefined) {
    const doc = new Doc();
    const sockets = new Set<WebSocket>();
    room = { doc, awareness: new Awareness(doc), sockets };
    rooms.set(path, room);
    doc.on('update', (update: Uint8Array) => {
      const encoder = createEncoder();
      writeVarUint(encoder, SYNC);
      writeUpdate(encoder, update);
      const frame = toUint8Array(encoder);
      for (const socket of sockets) socket.send(frame);
    });
    room.awareness.setLocalState(null);
    room.awareness.on('update', ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>) => {
      const encoder = createEncoder();
      writeVarUint(encoder, AWARENESS);
      const changed = [...added, ...updated, ...removed];
      writeVarUint8Array(encoder, encodeAwarenessUpdate((room as Room).awareness, changed));
      for (const socket of sockets) socket.send(toUint8Array(encoder));
    });
  }
  return room;
}

function onConnection(ws: WebSocket, path: string): void {
  const { doc, awareness, sockets } = roomAt(path);
  sockets.add(ws);
  ws.on('close', () => sockets.delete(ws));
  ws.on('message', (data) => {
    const decoder = createDecoder(new Uint8Array(data as Buffer));
    const kind = readVarUint(decoder);
    if (kind === AWARENESS) applyAwarenessUpdate(awareness, readVarUint8Array(decoder), ws);
    if (kind !== SYNC) return;
    const encoder = createEncoder();
    writeVarUint(encoder, SYNC);
    readSyncMessage(decoder, encoder, doc, ws);
    if (length(encoder) > 1) ws.send(toUint8Array(encoder));
  });
  const encoder = createEncoder();
  writeVarUint(encoder, SYNC);
  writeSyncStep1(encoder, doc);
  ws.send(toUint8Array(encoder));
}

const role = {
  start: (): Promise<string> => serve((ws, _, path) => onConnection(ws, path)),
  memory: memoryInUse,
};

export type YjsServerRole = typeof role;
answer(role);
