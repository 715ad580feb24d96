import type { Runtime } from '@topgunbuild/core';
import { Wakeup } from './Wakeup.js';

export interface SendRoomLimits {
  /** Above this many buffered bytes nothing more is sent. */
  readonly fullBytes: number;
  /** At or below this many there is room again. */
  readonly drainedBytes: number;
  /** How often a full buffer is looked at: WebSockets tell how much they hold, but not when it has left. */
  readonly pollMs: number;
}

export const DEFAULT_ROOM: SendRoomLimits = { fullBytes: 1024 * 1024, drainedBytes: 256 * 1024, pollMs: 10 };

/** Whether a socket's buffer has room for another frame; after it had none, tells once when it has again. */
export class SendRoom {
  readonly #runtime: Runtime;
  readonly #limits: SendRoomLimits;
  readonly #buffered: () => number;
  readonly #wakeup: Wakeup;
  #full = false;

  constructor(runtime: Runtime, buffered: () => number, onDrain: () => void, limits: Partial<SendRoomLimits> = {}) {
    this.#runtime = runtime;
    this.#limits = { ...DEFAULT_ROOM, ...limits };
    this.#buffered = buffered;
    this.#wakeup = new Wakeup(runtime, () => {
      if (this.#buffered() > this.#limits.drainedBytes) return this.#poll();
      this.#full = false;
      onDrain();
    });
  }

  /** True when a frame may be sent. False is remembered: `onDrain` follows. */
  take(): boolean {
    if (this.#full) return false;
    if (this.#buffered() <= this.#limits.fullBytes) return true;
    this.#full = true;
    this.#poll();
    return false;
  }

  close(): void {
    this.#wakeup.cancel();
  }

  #poll(): void {
    this.#wakeup.at(this.#runtime.monotonic() + this.#limits.pollMs);
  }
}
