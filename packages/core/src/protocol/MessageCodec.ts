import type { FieldReader } from './FieldReader.js';
import type { ClientMessage, ServerMessage } from './messages.js';

/** How one message becomes the fields behind its type number, and back. */
export interface MessageCodec<M> {
  fields(message: M): readonly unknown[];
  /** `maxOps`: as many rows may a batch of operations have. @throws TopGunError BAD_FRAME or TOO_LARGE */
  read(fields: FieldReader, maxOps: number): M;
}

type Message = ClientMessage | ServerMessage;

export type MessageOf<T extends Message['type']> = Extract<Message, { readonly type: T }>;

export type MessageCodecs<T extends Message['type']> = { readonly [K in T]: MessageCodec<MessageOf<K>> };
