/** The other end of a session: something that carries whole frames. A WebSocket in production, memory in simulations. */
export interface Peer {
  /** Hands a frame to the network. Frames are shared between peers: nobody may change them. */
  send(frame: Uint8Array): void;
  /** Ends the connection within a bounded time, whatever the other side does; the session's `onClosed` follows. */
  close(code: number, reason: string): void;
  /** Bytes handed over and not yet on the network. */
  readonly buffered: number;
}
