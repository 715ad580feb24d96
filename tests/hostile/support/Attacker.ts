import {
  type ClientMessage,
  type EntryBatch,
  encodeMessage,
  type QueryRecordsMessage,
  type ServerMessage,
} from '@topgunbuild/core';
import type { Session } from '../../../packages/server/src/session/Session.js';
import { MemoryPeer } from '../../../packages/server/src/testing/MemoryPeer.js';
import { auth, type OpFields, ops, replicaOf } from '../../../packages/server/src/testing/sessionHarness.js';
import type { VirtualNode } from './VirtualNode.js';

/** Each write comes a millisecond after the one before. */
let writes = 0;

/** A client of a VirtualNode that sends what it likes and keeps what it gets. */
export class Attacker {
  readonly node: VirtualNode;
  readonly subject: string;
  readonly clientId: string;
  readonly peer = new MemoryPeer();
  readonly session: Session;

  private constructor(node: VirtualNode, subject: string, clientId: string) {
    this.node = node;
    this.subject = subject;
    this.clientId = clientId;
    this.session = node.accept(this.peer);
  }

  /** `token`: the subject, and roles behind a colon. */
  static async join(node: VirtualNode, token: string, clientId?: string): Promise<Attacker> {
    const [subject = ''] = token.split(':');
    const attacker = new Attacker(node, subject, clientId ?? `c-${subject}`);
    await attacker.renew(token);
    return attacker;
  }

  async renew(token: string): Promise<void> {
    await this.send(auth({ token, clientId: this.clientId }));
  }

  async send(message: ClientMessage): Promise<void> {
    this.session.onFrame(encodeMessage(message));
    await this.node.settle();
  }

  async batch(batch: EntryBatch, routed = false): Promise<readonly string[]> {
    await this.send({ type: 'OP_BATCH', batchId: 1, routed, mapVersion: 1, ops: batch });
    return this.lastAck;
  }

  /** Writes rows under its own replica, each later than all before; returns codes and messages of what was refused. */
  write(...rows: readonly OpFields[]): Promise<readonly string[]> {
    const ms = this.node.runtime.now() + ++writes;
    const replica = replicaOf(this.clientId, this.subject);
    const own = rows.map((row, counter) => ({ replica, counter, ms, ...row }));
    return this.batch(ops(...own));
  }

  async subscribe(
    queryId: number,
    map: string,
    query = {},
    from: { logId: string; cursors: number[] } | null = null,
  ): Promise<void> {
    await this.send({
      type: 'QUERY_SUB',
      queryId,
      map,
      query,
      logId: from?.logId ?? null,
      cursors: from?.cursors ?? [],
      shards: null,
    });
  }

  /** What has come since the last call. */
  take(): ServerMessage[] {
    return this.peer.messages.splice(0);
  }

  get lastAck(): readonly string[] {
    return (
      this.peer
        .all('OP_ACK')
        .at(-1)
        ?.rejected.map(({ code, message }) => `${code}: ${message}`) ?? ['no ack']
    );
  }

  get errors(): string[] {
    return this.peer.all('ERROR').map(({ code, message }) => `${code}: ${message}`);
  }
}

/** The rows of all QUERY_RECORDS among `messages`: `key`, or `key left`. */
export function rowsIn(messages: readonly ServerMessage[]): string[] {
  const rows: string[] = [];
  for (const message of messages) {
    if (message.type !== 'QUERY_RECORDS') continue;
    const { records } = message as QueryRecordsMessage;
    for (let i = 0; i < records.count; i++) rows.push(`${records.keys[i]}${records.tags[i] === 7 ? ' left' : ''}`);
  }
  return rows;
}

/** Whether `text` stands anywhere in what was received, in whatever field. */
export function mentions(messages: readonly ServerMessage[], text: string): boolean {
  const needle = Buffer.from(text);
  return messages.some((message) => Buffer.from(encodeMessage(message)).includes(needle));
}
