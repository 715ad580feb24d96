import type { Bus, BusListener, BusResponder, BusSubscription } from '../backbone/Bus.js';

/** A bus that loses or spoils what it is told to. */
export class FaultyBus implements Bus {
  readonly #bus: Bus;
  /** Asked for each message that is published: what arrives in its place; null = nothing. */
  change: (subject: string, payload: Uint8Array) => Uint8Array | null = (_, payload) => payload;
  published = 0;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  get maxPayload(): number {
    return this.#bus.maxPayload;
  }

  request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return this.#bus.request(subject, payload, timeoutMs);
  }

  serve(subject: string, responder: BusResponder): BusSubscription {
    return this.#bus.serve(subject, responder);
  }

  publish(subject: string, payload: Uint8Array): void {
    this.published++;
    const changed = this.change(subject, payload);
    if (changed !== null) this.#bus.publish(subject, changed);
  }

  subscribe(subject: string, listener: BusListener): BusSubscription {
    return this.#bus.subscribe(subject, listener);
  }

  onInterrupted(listener: () => void): () => void {
    return this.#bus.onInterrupted(listener);
  }
}
