import type { MessageCodecs } from './MessageCodec.js';

/*
 * Topics carry messages to whoever listens at that moment; nothing is kept. The payload is an encoded value that the
 * server passes along as it is. A publisher that also subscribes gets its own messages. Refusals come as ERROR with
 * a null `ref`.
 */
export const topicCodecs: MessageCodecs<'TOPIC_SUB' | 'TOPIC_UNSUB' | 'TOPIC_PUB' | 'TOPIC_MESSAGE'> = {
  TOPIC_SUB: {
    fields: (m) => [m.topic],
    read: (f) => ({ type: 'TOPIC_SUB', topic: f.text('topic') }),
  },
  TOPIC_UNSUB: {
    fields: (m) => [m.topic],
    read: (f) => ({ type: 'TOPIC_UNSUB', topic: f.text('topic') }),
  },
  TOPIC_PUB: {
    fields: (m) => [m.topic, m.payload],
    read: (f) => ({ type: 'TOPIC_PUB', topic: f.text('topic'), payload: f.bytes('payload') }),
  },
  TOPIC_MESSAGE: {
    fields: (m) => [m.topic, m.payload, m.publisherId, m.timestamp],
    read: (f) => ({
      type: 'TOPIC_MESSAGE',
      topic: f.text('topic'),
      payload: f.bytes('payload'),
      publisherId: f.text('publisherId'),
      timestamp: f.number('timestamp'),
    }),
  },
};
