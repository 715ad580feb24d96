import type { FrameConnection, FrameHandlers } from '@topgunbuild/client';
import type { Peer } from '../../../packages/server/src/session/Peer.js';
import type { Session } from '../../../packages/server/src/session/Session.js';
import type { Random } from '../kernel/Random.js';
import type { SimProcess } from '../kernel/SimProcess.js';
import type { VirtualTime } from '../kernel/VirtualTime.js';
import { Channel } from './Channel.js';
import type { Faults } from './Faults.js';

/** Null: nobody listens there, and the machine says so. */
export type Acceptance = { readonly session: Session; readonly process: SimProcess } | 'unanswered' | null;

/** Where a connection leads: a node that takes sessions, if it runs. */
export interface Acceptor {
  accept(peer: Peer, endpoint: string, client: SimProcess): Acceptance;
}

/** Hears of every frame as it is handed over. */
export interface Tap {
  sentUp(link: Link, frame: Uint8Array): void;
  arrivedUp(link: Link, frame: Uint8Array): void;
  sentDown(link: Link, frame: Uint8Array): void;
  arrivedDown(link: Link, frame: Uint8Array): void;
}

export interface LinkPorts {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly faults: Faults;
  readonly tap: Tap;
  readonly acceptor: Acceptor;
  onGone(link: Link): void;
}

/** A frozen connection is given up by the server's heartbeat within this time. */
const SERVER_HEARTBEAT_MS = 45_000;

/**
 * One connection as TCP and WebSocket make it: frames arrive whole and in order, or the connection breaks. Each end has
 * its own view of whether it is open, and hears of the other's end late, or by its own heartbeat only.
 */
export class Link {
  readonly id: number;
  readonly client: SimProcess;
  server: SimProcess | null = null;
  readonly #ports: LinkPorts;
  readonly #handlers: FrameHandlers;
  readonly #up: Channel;
  readonly #down: Channel;
  #session: Session | null = null;
  #clientOpen = true;
  #serverOpen = false;

  constructor(id: number, client: SimProcess, endpoint: string, handlers: FrameHandlers, ports: LinkPorts) {
    const { time, random, faults } = ports;
    this.id = id;
    this.client = client;
    this.#handlers = handlers;
    this.#ports = ports;
    const delay = (): number => faults.networkDelay(random);
    this.#up = new Channel(
      time,
      delay,
      (frame) => this.#arriveUp(frame),
      () => {},
    );
    this.#down = new Channel(
      time,
      delay,
      (frame) => this.#arriveDown(frame),
      () => this.server?.reach(() => this.#session?.onDrain()),
    );
    this.#open(endpoint);
  }

  /** What the client holds in its hands. */
  connection(): FrameConnection {
    const up = this.#up;
    return {
      send: (frame) => {
        if (!this.#clientOpen || !this.client.isAlive || this.#session === null) return;
        this.#ports.tap.sentUp(this, frame);
        up.send(frame);
      },
      get buffered() {
        return up.buffered;
      },
      close: (code = 1000, reason = '') => this.#closeByClient(code, reason),
    };
  }

  get isOpen(): boolean {
    return this.#clientOpen && this.#serverOpen;
  }

  /** Frames stay where they are, in one direction or both, until `thaw`. Nobody is told. */
  freeze(up: boolean, down: boolean): void {
    if (up) this.#up.freeze();
    if (down) this.#down.freeze();
    if (!up) return;
    this.#ports.time.at(SERVER_HEARTBEAT_MS, () => {
      if (this.#up.isFrozen) this.#endServer(0);
    });
  }

  thaw(): void {
    this.#up.thaw();
    this.#down.thaw();
  }

  /** Frames towards the client trickle, `bytesPerMs` at most. */
  slowDown(bytesPerMs: number): void {
    this.#down.slowDown(bytesPerMs);
  }

  /** The connection breaks. What is on its way is lost, and either end hears of it late, or never. */
  cut(): void {
    const { random } = this.#ports;
    this.#up.lose();
    this.#down.lose();
    // A client that is not told finds out by its heartbeat; a server by its own.
    if (random.chance(0.8)) this.#endClient(random.wait(50), 1006, '');
    this.#endServer(random.chance(0.7) ? random.wait(50) : random.between(0, SERVER_HEARTBEAT_MS));
  }

  /** The client's process is gone; its machine says so, or is gone as well. */
  clientDied(): void {
    this.#clientOpen = false;
    const { random } = this.#ports;
    if (random.chance(0.3)) this.#up.lose();
    this.#endServer(random.chance(0.7) ? random.wait(20) : random.between(0, SERVER_HEARTBEAT_MS));
  }

  /** The node's process is gone. */
  serverDied(): void {
    this.#serverOpen = false;
    this.#session = null;
    const { random } = this.#ports;
    this.#up.lose();
    if (random.chance(0.3)) this.#down.lose();
    if (random.chance(0.8)) this.#endClient(random.wait(20), 1006, '');
  }

  #open(endpoint: string): void {
    const { time, random, faults, acceptor } = this.#ports;
    if (faults.unreachable) return faults.count('connect unanswered');
    time.at(faults.networkDelay(random), () => {
      const isRefused = faults.refusing || !this.client.isAlive;
      const accepted = isRefused ? null : acceptor.accept(this.#peer(), endpoint, this.client);
      if (accepted === 'unanswered') return faults.count('connect unanswered');
      if (accepted === null) {
        faults.count('connect refused');
        this.#endClient(faults.networkDelay(random), 1006, '');
        return;
      }
      this.#session = accepted.session;
      this.server = accepted.process;
      this.#serverOpen = true;
      this.#down.first(() => {
        if (this.#clientOpen && this.client.isAlive) this.#handlers.onOpen();
      });
    });
  }

  #peer(): Peer {
    const down = this.#down;
    return {
      send: (frame) => {
        if (this.server !== null && !this.server.isAlive) return;
        this.#ports.tap.sentDown(this, frame);
        down.send(frame);
      },
      close: (code, reason) => {
        if (this.server !== null && !this.server.isAlive) return;
        down.last(() => this.#endClient(0, code, reason));
        this.#endServer(Math.min(3_000, this.#ports.faults.networkDelay(this.#ports.random) * 2));
      },
      get buffered() {
        return down.buffered;
      },
    };
  }

  #arriveUp(frame: Uint8Array): void {
    this.server?.reach(() => {
      if (!this.#serverOpen || this.#session === null) return;
      this.#ports.tap.arrivedUp(this, frame);
      this.#session.onFrame(frame);
    });
  }

  #arriveDown(frame: Uint8Array): void {
    if (!this.#clientOpen || !this.client.isAlive) return;
    this.#ports.tap.arrivedDown(this, frame);
    this.#handlers.onFrame(frame);
  }

  #closeByClient(code: number, reason: string): void {
    if (!this.#clientOpen || !this.client.isAlive) return;
    this.#up.last(() => this.#endServer(0));
    if (this.#up.isFrozen) this.#endServer(SERVER_HEARTBEAT_MS);
    this.#endClient(0, code, reason);
  }

  #endClient(delayMs: number, code: number, reason: string): void {
    this.#ports.time.at(delayMs, () => {
      if (!this.#clientOpen) return;
      this.#clientOpen = false;
      if (this.client.isAlive) this.#handlers.onClose({ code, reason });
      this.#gone();
    });
  }

  #endServer(delayMs: number): void {
    this.#ports.time.at(delayMs, () => {
      if (!this.#serverOpen) return;
      this.#serverOpen = false;
      const session = this.#session;
      this.#session = null;
      this.server?.reach(() => session?.onClosed());
      this.#gone();
    });
  }

  #gone(): void {
    if (!this.#clientOpen && !this.#serverOpen) this.#ports.onGone(this);
  }
}
