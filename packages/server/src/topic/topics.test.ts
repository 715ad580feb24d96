import { decodeValue, encodeValue } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { type ClusterClient, ForwardCluster } from '../testing/ForwardCluster.js';

function publish(client: ClusterClient, topic: string, message: unknown): void {
  client.send({ type: 'TOPIC_PUB', topic, payload: encodeValue(message) });
}

function heard(client: ClusterClient): unknown[] {
  return client.peer.all('TOPIC_MESSAGE').map(({ payload }) => decodeValue(payload));
}

describe('a message to a topic', () => {
  it('reaches the listeners on every node, each once', async () => {
    const cluster = await ForwardCluster.start();
    const clients = await Promise.all(['a', 'a', 'b', 'c'].map((id) => cluster.node(id).join()));
    for (const client of clients) client.send({ type: 'TOPIC_SUB', topic: 'news' });
    const deaf = await cluster.node('c').join();
    await cluster.settle(20);
    const [publisher] = clients as [ClusterClient];
    publish(publisher, 'news', 'hello');
    expect(heard(publisher)).toEqual(['hello']);
    await cluster.settle(20);
    expect(clients.map(heard)).toEqual([['hello'], ['hello'], ['hello'], ['hello']]);
    expect(heard(deaf)).toEqual([]);
    const at = clients.map(({ peer }) => peer.all('TOPIC_MESSAGE')[0]);
    for (const message of at) expect(message).toEqual(at[0]);
  });

  it('comes after those that the same session published before', async () => {
    const cluster = await ForwardCluster.start();
    const [publisher, listener] = [await cluster.node('a').join(), await cluster.node('b').join()];
    listener.send({ type: 'TOPIC_SUB', topic: 'news' });
    await cluster.settle(20);
    for (let i = 0; i < 100; i++) publish(publisher, 'news', i);
    await cluster.settle(20);
    expect(heard(listener)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it('may be larger than what the bus carries', async () => {
    const cluster = await ForwardCluster.start({ maxPayload: 1_000 });
    const [publisher, listener] = [await cluster.node('a').join(), await cluster.node('b').join()];
    listener.send({ type: 'TOPIC_SUB', topic: 'news' });
    await cluster.settle(20);
    const messages = ['x'.repeat(10_000), 'small', 'y'.repeat(936), 'z'.repeat(50_000)];
    for (const message of messages) publish(publisher, 'news', message);
    await cluster.settle(20);
    expect(heard(listener)).toEqual(messages);
    let piece = 0;
    cluster.node('a').bus.change = (_, payload) => (piece++ === 3 ? null : payload);
    publish(publisher, 'news', 'lost'.repeat(10_000));
    publish(publisher, 'news', 'whole'.repeat(1_000));
    await cluster.settle(20);
    expect(heard(listener).slice(4)).toEqual(['whole'.repeat(1_000)]);
  });

  it('goes by any name a topic may have', async () => {
    const cluster = await ForwardCluster.start();
    const [publisher, listener] = [await cluster.node('a').join(), await cluster.node('b').join()];
    const names = ['a.b', '>', '*', ' ', 'ümläut 😀', 'x'.repeat(256), 'a', 'A'];
    for (const topic of names) listener.send({ type: 'TOPIC_SUB', topic });
    await cluster.settle(20);
    for (const topic of names) publish(publisher, topic, topic);
    await cluster.settle(20);
    expect(heard(listener)).toEqual(names);
    for (const topic of names) listener.send({ type: 'TOPIC_UNSUB', topic });
    publish(publisher, 'a', 'again');
    await cluster.settle(20);
    expect(heard(listener)).toHaveLength(names.length);
  });

  it('that is broken on its way is heard by nobody, and harms nobody', async () => {
    const cluster = await ForwardCluster.start();
    const [publisher, listener] = [await cluster.node('a').join(), await cluster.node('b').join()];
    listener.send({ type: 'TOPIC_SUB', topic: 'news' });
    await cluster.settle(20);
    const { bus } = cluster.node('a');
    for (let cut = 0; cut < 60; cut++) {
      bus.change = (_, payload) => payload.subarray(0, Math.min(cut, payload.length - 1));
      publish(publisher, 'news', 'broken');
    }
    bus.change = (_, payload) => payload;
    publish(publisher, 'news', 'whole');
    await cluster.settle(20);
    expect(heard(listener)).toEqual(['whole']);
    expect(listener.peer.closed).toBeNull();
  });
});
