/** Why a connection ended: the WebSocket close code and reason, where there were any (1006: none). */
export interface CloseInfo {
  readonly code: number;
  readonly reason: string;
}

export interface FrameHandlers {
  onOpen(): void;
  onFrame(bytes: Uint8Array): void;
  /** Called once, whatever ended the connection, also when it never opened. */
  onClose(info: CloseInfo): void;
}

/** A connection that carries whole frames, in order, or breaks. */
export interface FrameConnection {
  /** Hands a frame to the network. Frames given before `onOpen` or after the end are dropped. */
  send(bytes: Uint8Array): void;
  /** Bytes handed over and not yet on the network. */
  readonly buffered: number;
  /** Ends the connection; `onClose` follows. A half-open socket must not hold this up. */
  close(code?: number, reason?: string): void;
}

/** Opens frame connections. Endpoints are WebSocket URLs. Never throws: what fails is told by `onClose`. */
export interface Transport {
  connect(endpoint: string, handlers: FrameHandlers): FrameConnection;
}
