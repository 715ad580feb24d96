import type { FrameHandlers, Transport } from '@topgunbuild/client';
import { decodeServerMessage, encodeMessage } from '@topgunbuild/core';
import { WebSocket } from 'ws';

/** WebSockets over which, while `isStale`, no partition map comes that is newer than the first one. */
export class StaleTransport implements Transport {
  isStale = false;

  connect(endpoint: string, handlers: FrameHandlers): ReturnType<Transport['connect']> {
    const socket = new WebSocket(endpoint);
    socket.binaryType = 'arraybuffer';
    socket.on('open', () => handlers.onOpen());
    socket.on('message', (data: ArrayBuffer) => {
      const frame = new Uint8Array(data);
      const shown = this.isStale ? withoutMap(frame) : frame;
      if (shown !== null) handlers.onFrame(shown);
    });
    socket.on('error', () => {});
    socket.on('close', (code, reason) => handlers.onClose({ code, reason: reason.toString() }));
    return {
      send: (bytes) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
      },
      get buffered() {
        return socket.bufferedAmount;
      },
      close: (code, reason) => socket.close(code, reason),
    };
  }
}

function withoutMap(frame: Uint8Array): Uint8Array | null {
  const message = decodeServerMessage(frame);
  if (message.type === 'PARTITION_MAP' || message.type === 'PARTITION_MAP_DELTA') return null;
  return message.type === 'AUTH_ACK' ? encodeMessage({ ...message, map: null }) : frame;
}
