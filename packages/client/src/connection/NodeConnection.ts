import {
  type ClientMessage,
  decodeServerMessage,
  encodeMessage,
  type Runtime,
  type ServerMessage,
} from '@topgunbuild/core';
import { closeCodeOf } from './ConnectionEnd.js';
import type { Credentials } from './ConnectionProvider.js';
import type { Logger } from './Logger.js';
import { messageOf } from './messageOf.js';
import {
  type ConnectionTimes,
  DEFAULT_TIMES,
  type Hello,
  type NodeEvent,
  type NodeState,
  type Session,
  type Step,
} from './nodeState.js';
import {
  dueTime,
  isControl,
  whenBadFrame,
  whenClosing,
  whenCredentials,
  whenMessage,
  whenNoCredentials,
  whenOpened,
  whenRenewalWanted,
  whenSocketClosed,
  whenTime,
} from './nodeTransitions.js';
import { SendRoom, type SendRoomLimits } from './SendRoom.js';
import type { FrameConnection, Transport } from './Transport.js';
import { Wakeup } from './Wakeup.js';

export interface NodeConnectionOptions {
  readonly endpoint: string;
  readonly transport: Transport;
  readonly runtime: Runtime;
  /** Asked for each handshake and each renewal. */
  readonly credentials: () => Promise<Credentials>;
  /** Gets every event, in order. The last one is `ended`. It may call back into the connection. */
  readonly listener: (event: NodeEvent) => void;
  readonly times?: Partial<ConnectionTimes> | undefined;
  readonly room?: Partial<SendRoomLimits> | undefined;
  readonly logger?: Logger | undefined;
}

/**
 * One connection to one node, from its opening to its end: handshake, heartbeat, renewal of credentials. It never
 * reconnects; whoever wants another connection makes another object. Decisions are made by nodeTransitions, this is the
 * shell that does what they say.
 */
export class NodeConnection {
  readonly #options: NodeConnectionOptions;
  readonly #times: ConnectionTimes;
  readonly #wakeup: Wakeup;
  readonly #room: SendRoom;
  #state: NodeState = { name: 'idle' };
  #socket: FrameConnection | null = null;
  /** Number of the latest question for credentials: answers to earlier ones are stale. */
  #asked = 0;

  constructor(options: NodeConnectionOptions) {
    this.#options = options;
    this.#times = { ...DEFAULT_TIMES, ...options.times };
    this.#wakeup = new Wakeup(options.runtime, (dueAt) => {
      this.#take(whenTime(this.#state, this.#now(), dueAt, this.#times));
    });
    this.#room = new SendRoom(
      options.runtime,
      () => this.#socket?.buffered ?? 0,
      () => this.#emit({ type: 'drain' }),
      options.room,
    );
  }

  /** Handshake done and not ended. Derived from the state at each call. */
  get isConnected(): boolean {
    return this.session !== null;
  }

  get stateName(): NodeState['name'] {
    return this.#state.name;
  }

  /** What the server told of itself, once it did. */
  get hello(): Hello | null {
    return 'hello' in this.#state ? this.#state.hello : null;
  }

  get session(): Session | null {
    return 'session' in this.#state ? this.#state.session : null;
  }

  /** Bytes given to `send` that have not left yet. */
  get buffered(): number {
    return this.#socket?.buffered ?? 0;
  }

  open(): void {
    if (this.#state.name !== 'idle') return;
    const { endpoint, transport } = this.#options;
    this.#take({ next: { name: 'opening', deadline: this.#now() + this.#times.openMs } });
    this.#socket = transport.connect(endpoint, {
      onOpen: () => this.#take(whenOpened(this.#state, this.#now(), this.#times)),
      onFrame: (bytes) => this.#onFrame(bytes),
      onClose: (info) => this.#take(whenSocketClosed(this.#state, info)),
    });
  }

  /**
   * Sends `message`. False: nothing was sent, because the connection is not ready or too much waits in its buffer, in
   * which case `drain` follows.
   */
  send(message: ClientMessage): boolean {
    if (this.#state.name !== 'ready' || this.#socket === null || !this.#room.take()) return false;
    this.#socket.send(encodeMessage(message));
    return true;
  }

  /** The credentials changed: asks for them and renews, in place. */
  reauthenticate(): void {
    this.#take(whenRenewalWanted(this.#state, this.#now(), this.#times));
  }

  /** Ends the connection at once, whatever its state. `ended` is emitted before this returns. */
  close(): void {
    this.#take(whenClosing(this.#state));
  }

  #now(): number {
    return this.#options.runtime.monotonic();
  }

  #onFrame(bytes: Uint8Array): void {
    let message: ServerMessage;
    try {
      message = decodeServerMessage(bytes);
    } catch (error) {
      this.#take(whenBadFrame(this.#state, messageOf(error)));
      return;
    }
    if (this.#state.name === 'ready' && !isControl(message)) {
      // The path of all traffic: the state stays, so no step is made for it.
      this.#state.heardAt = this.#now();
      this.#emit({ type: 'message', message });
    } else {
      this.#take(whenMessage(this.#state, message, this.#now(), this.#times));
    }
  }

  #take(step: Step): void {
    const before = this.#state;
    this.#state = step.next;
    if (step.next.name === 'closed') {
      if (before.name !== 'closed') this.#end(before, step.next);
      return;
    }
    const due = dueTime(step.next, this.#times);
    if (due === null) this.#wakeup.cancel();
    else this.#wakeup.at(due);
    if (step.ask) this.#ask();
    if (step.send) this.#socket?.send(encodeMessage(step.send));
    if (step.emit) this.#emit(step.emit);
  }

  #end(before: NodeState, { end }: Extract<NodeState, { name: 'closed' }>): void {
    this.#wakeup.cancel();
    this.#room.close();
    this.#socket?.close(closeCodeOf(end), end.message);
    const hello = 'hello' in before ? before.hello : null;
    const session = 'session' in before ? before.session : null;
    this.#emit({ type: 'ended', end, hello, session });
  }

  #ask(): void {
    const number = ++this.#asked;
    const isLatest = (): boolean => number === this.#asked;
    // Called through a promise, so that a function that throws is the same as one that rejects.
    Promise.resolve()
      .then(this.#options.credentials)
      .then(
        (credentials) => {
          if (isLatest()) this.#take(whenCredentials(this.#state, credentials, this.#now(), this.#times));
        },
        (error: unknown) => {
          if (!isLatest()) return;
          this.#options.logger?.warn({ reason: messageOf(error) }, 'The application named no credentials');
          this.#take(whenNoCredentials(this.#state, messageOf(error)));
        },
      );
  }

  #emit(event: NodeEvent): void {
    try {
      this.#options.listener(event);
    } catch (error) {
      this.#options.logger?.error({ event: event.type, error }, 'A listener of connection events threw');
    }
  }
}
