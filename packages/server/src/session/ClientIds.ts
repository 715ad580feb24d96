/** A session that goes by a client id. */
export interface ClientIdHolder {
  readonly subject: string;
  /** When its peer was last heard of, ms of the monotonic clock. */
  readonly heardAt: number;
  /** Ends it in favour of a newer session. */
  replace(): void;
}

/** A client asks for the time at least every minute; one that is silent for longer has a dead connection. */
const SILENT_AFTER_MS = 75_000;

/**
 * Who goes by which client id. Client ids name replicas, so two subjects never share one. Sessions of one subject may:
 * tabs and pools do.
 */
export class ClientIds {
  readonly #holders = new Map<string, Set<ClientIdHolder>>();

  /** False: a live session of another subject goes by that id. Sessions that have died are ended. */
  claim(clientId: string, holder: ClientIdHolder, now: number): boolean {
    const holders = this.#holders.get(clientId) ?? new Set();
    for (const other of [...holders]) if (now - other.heardAt > SILENT_AFTER_MS) other.replace();
    for (const other of holders) if (other.subject !== holder.subject) return false;
    // Replaced sessions have released the id, and may have taken the set with them.
    const remaining = this.#holders.get(clientId);
    if (remaining === undefined) this.#holders.set(clientId, new Set([holder]));
    else remaining.add(holder);
    return true;
  }

  release(clientId: string, holder: ClientIdHolder): void {
    const holders = this.#holders.get(clientId);
    if (holders?.delete(holder) && holders.size === 0) this.#holders.delete(clientId);
  }
}
