/** What `#websocket` means outside Node (see `imports` in package.json): the WebSocket of the platform. */
export const WebSocket: typeof globalThis.WebSocket = globalThis.WebSocket;
