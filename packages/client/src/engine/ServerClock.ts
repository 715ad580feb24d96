import { HLC, type Runtime } from '@topgunbuild/core';

/**
 * The client's idea of the server's wall clock. Until a server was heard it is the device's clock as it was at the
 * start; from then on the server's time, carried on by the monotonic clock, so that a device whose clock is wrong, or is
 * set while the app runs, stamps its writes with the right time.
 */
export class ServerClock {
  readonly #runtime: Runtime;
  #base: number;
  #trusted = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#base = runtime.now() - runtime.monotonic();
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#base + this.#runtime.monotonic();
  }

  /** The server's time is known. */
  get isTrusted(): boolean {
    return this.#trusted;
  }

  /** Takes in that the server's clock showed `serverTime` at `monotonic`; returns by how many ms this clock was behind. */
  synchronize(serverTime: number, monotonic: number): number {
    const base = serverTime - monotonic;
    const behind = base - this.#base;
    // Small differences are the network's: following them would only make time jitter.
    if (this.#trusted && Math.abs(behind) < SLACK_MS) return 0;
    this.#base = base;
    this.#trusted = true;
    return behind;
  }
}

const SLACK_MS = 250;

/** The hybrid logical clock of one replica, which can be set back as far as nobody has seen it. */
export class ReplicaClock {
  readonly hlc: HLC;
  /** The highest reading that was trusted or came from elsewhere: the clock never goes below it. */
  #floorMs = 0;
  #floorCounter = 0;

  constructor(replica: string, wall: () => number) {
    this.hlc = new HLC(replica, wall);
  }

  /** Takes a reading for an operation; afterwards `hlc` shows it. What is not trusted will be replaced, so it may be undone. */
  advance(isTrusted: boolean): void {
    this.hlc.advance();
    if (isTrusted) this.observe(this.hlc.ms, this.hlc.counter);
  }

  /** The clock runs ahead of `now`, by what it has seen or by a clock that was wrong. */
  isAheadOf(now: number, byMs: number): boolean {
    return this.hlc.ms > now + byMs;
  }

  /** Makes later readings follow an operation of an earlier process; one that is not trusted will be stamped anew. */
  follow({ ms, counter, trusted }: { readonly ms: number; readonly counter: number; readonly trusted: boolean }): void {
    if (trusted) this.observe(ms, counter);
    else this.hlc.receive(ms, counter);
  }

  /** A timestamp of another replica was seen. */
  observe(ms: number, counter: number): void {
    if (ms > this.#floorMs || (ms === this.#floorMs && counter > this.#floorCounter)) {
      this.#floorMs = ms;
      this.#floorCounter = counter;
    }
    this.hlc.receive(ms, counter);
  }

  /** Sets the clock back to the floor, so that a wrong wall clock leaves nothing behind. */
  rewind(): void {
    this.hlc.reset(this.#floorMs, this.#floorCounter);
  }
}
