import type { ErrorCode } from '@topgunbuild/core';

/** What a node has done since its start, as plain numbers: hot paths count without knowing who reads. */
export class Counters {
  framesIn = 0;
  bytesIn = 0;
  framesOut = 0;
  bytesOut = 0;
  badFrames = 0;
  sessionsOpened = 0;
  sessionsClosed = 0;
  authSucceeded = 0;
  readonly authFailed = new Tally<ErrorCode>();
  opsReceived = 0;
  opsAcked = 0;
  readonly opsRejected = new Tally<ErrorCode>();
  readonly errorsSent = new Tally<ErrorCode>();
  /** Connections ended by this side, by WebSocket close code. */
  readonly cut = new Tally<number>();
  queriesOpened = 0;
  subscriptions = 0;
  /** Operations that were not taken, and streams that ended or were not opened, because their shards are another node's. */
  notOwner = 0;
  /** Operations handed to other nodes for clients of this one, and sent again because the first way led nowhere. */
  opsForwarded = 0;
  opsForwardedAgain = 0;
  /** Operations that other nodes handed over. */
  opsFromNodes = 0;
  /** Sessions of other nodes' clients that are open here. */
  virtualSessions = 0;
  /** Streams opened for live queries of clients of this node: on this node, and on others. */
  queryPartsHere = 0;
  queryPartsElsewhere = 0;
  /** Ways to other nodes that were opened, and that broke. */
  linksOpened = 0;
  linksBroken = 0;
  topicPublished = 0;
  topicDelivered = 0;
  topicDropped = 0;
  /** HTTP upgrades that were refused before a session existed, by HTTP status. */
  readonly upgradesRefused = new Tally<number>();
}

/** Counts by label. Labels come from closed sets, never from peers. */
export class Tally<Label> {
  readonly #counts = new Map<Label, number>();

  add(label: Label, by = 1): void {
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + by);
  }

  get(label: Label): number {
    return this.#counts.get(label) ?? 0;
  }

  entries(): Iterable<[Label, number]> {
    return this.#counts.entries();
  }
}
