import { EntryBatch } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import type { Credentials } from '../connection/ConnectionProvider.js';
import { MemoryTransport } from '../testing/MemoryTransport.js';
import { ScriptedNode } from '../testing/ScriptedNode.js';
import { VirtualTime } from '../testing/VirtualTime.js';
import { ConnectionPool, type PoolEvent } from './ConnectionPool.js';

function setUp(connectionsPerNode = 2) {
  const time = new VirtualTime();
  const runtime = time.runtime({ seed: 3 });
  const transport = new MemoryTransport(runtime, 5);
  const node = (nodeId: string, endpoint = `ws://${nodeId}/`): ScriptedNode => {
    const scripted = new ScriptedNode(transport, runtime, endpoint);
    scripted.nodeId = nodeId;
    return scripted;
  };
  const credentials = async (): Promise<Credentials> => ({ token: null, clientId: 'c', mapVersion: 0 });
  const pool = new ConnectionPool({ transport, runtime, credentials, connectionsPerNode, maxPendingOps: 10 });
  const events: PoolEvent[] = [];
  pool.on((event) => events.push(event));
  const types = (): string[] => events.map(({ type }) => type).filter((type) => type !== 'connecting');
  return { time, runtime, transport, node, pool, events, types };
}

const batch = { type: 'OP_BATCH', batchId: 1, routed: true, mapVersion: 1, ops: new EntryBatch() } as const;

describe('ConnectionPool', () => {
  it('learns the name of a node that it knew by its endpoint, and keeps the connection', async () => {
    const { time, node, pool, events } = setUp(1);
    const scripted = node('n1', 'ws://seed/');
    expect(pool.addNode('ws://seed/')).toBe('ws://seed/');
    await time.advance(50);
    expect(pool.nodeIds).toEqual(['n1']);
    expect(pool.connectedNodes).toEqual(['n1']);
    expect(events.find(({ type }) => type === 'node:remapped')).toMatchObject({ from: 'ws://seed/', to: 'n1' });
    expect(scripted.peers).toHaveLength(1);
    // By either name it is the node that is there.
    expect(pool.addNode('ws://seed/')).toBe('n1');
    expect(pool.addNode('ws://advertised/', 'n1')).toBe('n1');
    await time.advance(60_000);
    expect(scripted.peers).toHaveLength(1);
  });

  it('takes a node whose endpoint is known to be the one that is advertised there', async () => {
    const { time, transport, node, pool } = setUp(1);
    transport.blackhole('ws://n1/');
    pool.addNode('ws://n1/');
    pool.addNode('ws://n1/', 'n1');
    expect(pool.nodeIds).toEqual(['n1']);
    node('n1').stop();
    await time.advance(10);
    expect(transport.attempts).toHaveLength(1);
  });

  it('keeps socket, state and what is pending when a node is called otherwise', async () => {
    const { time, node, pool } = setUp(1);
    const scripted = node('n1');
    pool.addNode('ws://n1/', 'n1');
    await time.advance(50);
    const connection = pool.connectionFor('n1', 'm');
    if (connection === null) throw new Error('no connection');
    connection.send(batch);
    pool.pendingChanged(connection, 7);
    pool.remapNodeId('n1', 'n2');
    expect(connection.nodeId).toBe('n2');
    expect(pool.connectionFor('n2', 'm')).toBe(connection);
    expect(pool.connectionFor('n1', 'm')).toBeNull();
    expect(pool.health().n2).toMatchObject({ state: 'ready', breaker: 'closed', pending: 7 });
    await time.advance(10);
    expect(scripted.peers).toHaveLength(1);
    expect(pool.remapNodeId('nobody', 'n3')).toBe(false);
  });

  it('makes one of two names of the same node, with as many connections as a node has', async () => {
    const { time, node, pool } = setUp(2);
    const [one, two] = [node('n1', 'ws://one/'), node('n1', 'ws://two/')];
    pool.addNode('ws://one/');
    pool.addNode('ws://two/');
    await time.advance(100);
    expect(pool.nodeIds).toEqual(['n1']);
    const open = [...one.peers, ...two.peers].length - one.closes.length - two.closes.length;
    expect(open).toBe(2);
    await time.advance(60_000);
    expect([...one.peers, ...two.peers].length - one.closes.length - two.closes.length).toBe(2);
  });

  it('lets one lane keep its connection, and spreads lanes over those that are there', async () => {
    const { time, node, pool } = setUp(2);
    node('n1');
    pool.addNode('ws://n1/', 'n1');
    await time.advance(100);
    const lanes = ['a', 'b', 'c', 'd'].map((lane) => pool.connectionFor('n1', lane));
    expect(new Set(lanes).size).toBe(2);
    expect(['a', 'b', 'c', 'd'].map((lane) => pool.connectionFor('n1', lane))).toEqual(lanes);
  });

  it('brings lanes to the other connection when theirs is gone or leaves', async () => {
    const { time, node, pool, events } = setUp(2);
    const scripted = node('n1');
    pool.addNode('ws://n1/', 'n1');
    await time.advance(100);
    const first = pool.connectionFor('n1', 'a');
    scripted.peers[0]?.close(1011);
    await time.advance(10);
    const next = pool.connectionFor('n1', 'a');
    expect(next).not.toBe(first);
    expect(next?.isReady).toBe(true);
    scripted.say({ type: 'GOODBYE', reason: 'stops', retryAfterMs: 0 });
    await time.advance(10);
    expect(events.at(-1)?.type).toBe('leaving');
    expect(pool.readyNodes).toEqual([]);
    expect(pool.connectedNodes).toEqual(['n1']);
  });

  it('drains a node that is not wanted any more: what is pending may be answered', async () => {
    const { time, node, pool, types } = setUp(1);
    node('n1');
    pool.addNode('ws://n1/', 'n1');
    await time.advance(50);
    const connection = pool.connectionFor('n1', 'm');
    if (connection === null) throw new Error('no connection');
    pool.pendingChanged(connection, 2);
    pool.removeNode('n1');
    expect(pool.connectionFor('n1', 'm')).toBeNull();
    expect(connection.isConnected).toBe(true);
    expect(pool.health().n1?.state).toBe('draining');
    pool.pendingChanged(connection, -2);
    expect(connection.isConnected).toBe(false);
    expect(types().at(-1)).toBe('ended');
    await time.advance(60_000);
    expect(pool.nodeIds).toEqual([]);
  });

  it('does not wait for ever for answers of a node that it drains, and takes it back when it is wanted again', async () => {
    const { time, node, pool } = setUp(1);
    node('n1');
    node('n2');
    for (const id of ['n1', 'n2']) pool.addNode(`ws://${id}/`, id);
    await time.advance(50);
    for (const id of ['n1', 'n2']) {
      const connection = pool.connectionFor(id, 'm');
      if (connection !== null) pool.pendingChanged(connection, 1);
      pool.removeNode(id);
    }
    pool.addNode('ws://n2/', 'n2');
    await time.advance(5_000);
    expect(pool.connectedNodes).toEqual(['n2']);
  });

  it('bounds what may be pending on a connection', async () => {
    const { time, node, pool } = setUp(1);
    node('n1');
    pool.addNode('ws://n1/', 'n1');
    await time.advance(50);
    const connection = pool.connectionFor('n1', 'm');
    if (connection === null) throw new Error('no connection');
    // A batch that is larger than the bound has to go sometime.
    expect(pool.hasRoom(connection, 50)).toBe(true);
    pool.pendingChanged(connection, 8);
    expect(pool.hasRoom(connection, 2)).toBe(true);
    expect(pool.hasRoom(connection, 3)).toBe(false);
  });

  it('finds a node that another has taken the address of, where it is advertised', async () => {
    const { time, transport, node, pool } = setUp(1);
    const scripted = node('n1', 'ws://shared/');
    pool.addNode('ws://shared/', 'n1');
    await time.advance(50);
    scripted.nodeId = 'n2';
    scripted.peer.close(1011);
    const moved = node('n1', 'ws://elsewhere/');
    await time.advance(600);
    expect(pool.connectedNodes).toEqual(['n2']);
    const attempts = transport.attempts.length;
    await time.advance(20_000);
    expect(transport.attempts.length - attempts).toBeLessThan(25);
    pool.addNode('ws://elsewhere/', 'n1');
    await time.advance(4_000);
    expect([...pool.connectedNodes].sort()).toEqual(['n1', 'n2']);
    expect(moved.peers).toHaveLength(1);
  });
});
