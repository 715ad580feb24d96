import type { Socket } from 'node:net';
import { WebSocket } from 'ws';

const sockets: Socket[] = [];
let frames = 0;

/** A WebSocket whose bytes and frames are counted; for one client at a time. */
class Counted extends WebSocket {
  constructor(...args: ConstructorParameters<typeof WebSocket>) {
    super(...args);
    this.on('upgrade', (response) => sockets.push(response.socket));
    this.on('message', () => frames++);
  }
}

/** As the browser's class, which clients ask for. */
export const CountedWebSocket = Counted as unknown as typeof globalThis.WebSocket;

export interface Traffic {
  readonly sent: number;
  readonly received: number;
  readonly framesReceived: number;
}

/** What went over all of them since the last call. */
export function takeTraffic(): Traffic {
  let sent = 0;
  let received = 0;
  for (const socket of sockets) {
    sent += socket.bytesWritten;
    received += socket.bytesRead;
  }
  const traffic = { sent: sent - last.sent, received: received - last.received, framesReceived: frames };
  last = { sent, received };
  frames = 0;
  return traffic;
}

let last = { sent: 0, received: 0 };
