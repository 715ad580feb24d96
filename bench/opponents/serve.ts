import type { AddressInfo, Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/** Opens a bare WebSocket server on a free port and returns its URL. */
export async function serve(onConnection: (ws: WebSocket, socket: Socket, path: string) => void): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (ws, request) => {
    request.socket.setNoDelay(true);
    onConnection(ws, request.socket, request.url ?? '/');
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
