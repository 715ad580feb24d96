import { EntryBatch, encodeValue, type OpAckMessage, type ServerMessage, subjectTag, Tag } from '@topgunbuild/core';
import { RawSession } from './RawSession.js';

let sessions = 0;

/** A session that sends batches of LWW writes by hand, as any client could. */
export class OpSession {
  readonly raw: RawSession;
  readonly #replica: string;
  #batchId = 0;
  #counter = 0;

  private constructor(raw: RawSession, clientId: string, subject: string) {
    this.raw = raw;
    this.#replica = `${clientId}.incarnat.${subjectTag(subject)}`;
  }

  static async open(url: string, token: string | null = null, subject = ''): Promise<OpSession> {
    const clientId = `ops-${process.pid}-${sessions++}`;
    return new OpSession(await RawSession.authenticated(url, token, clientId), clientId, subject);
  }

  /** Sends one batch and returns its answer. */
  async write(
    map: string,
    rows: Readonly<Record<string, unknown>>,
    { routed = false, mapVersion = 0 }: { readonly routed?: boolean; readonly mapVersion?: number } = {},
  ): Promise<OpAckMessage> {
    const ops = new EntryBatch();
    for (const [key, value] of Object.entries(rows)) {
      this.#counter = (this.#counter + 1) % 65_536;
      ops.add(map, key, Tag.LWW_SET, Date.now(), this.#counter, this.#replica, 0, encodeValue(value));
    }
    this.#batchId++;
    this.raw.send({ type: 'OP_BATCH', batchId: this.#batchId, routed, mapVersion, ops });
    return await this.raw.next('OP_ACK');
  }

  next<Type extends ServerMessage['type']>(type: Type): Promise<Extract<ServerMessage, { readonly type: Type }>> {
    return this.raw.next(type);
  }
}
