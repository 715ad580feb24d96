import { encodeValue, type OpAckMessage, type Runtime, systemRuntime, Tag } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { OpLog } from './OpLog.js';
import { PendingOp } from './PendingOp.js';
import { Sender } from './Sender.js';

const VALUE = encodeValue(1);

/** A sender, the batches that it sent, and its runtime's turns, which end when the test says so. */
function setUp({ afterTurn: hasTurns = true } = {}) {
  const log = new OpLog();
  const sent: string[][] = [];
  const atTurnsEnd: (() => void)[] = [];
  const { afterTurn: _, ...rest } = systemRuntime();
  const runtime: Runtime = { ...rest, ...(hasTurns ? { afterTurn: (fn) => void atTurnsEnd.push(fn) } : {}) };
  const sender = new Sender({
    runtime,
    log,
    isConnected: () => true,
    send(ops, nextBatchId) {
      sent.push([...ops.keys]);
      return [{ batchId: nextBatchId(), nodeId: 'n', indexes: [...ops.keys.keys()] }];
    },
    onAccepted(op) {
      op.markAcked();
      log.remove(op);
    },
    onRejected: () => undefined,
    onDrift: () => false,
  });
  sender.resume();
  const write = (key: string): void => {
    log.add(new PendingOp(log.nextNumber(), 'map', key, Tag.LWW_SET, 1, 1, 'me', 0, VALUE, true));
    sender.schedule();
  };
  const ack = (batchId: number): void => {
    const message: OpAckMessage = { type: 'OP_ACK', batchId, ranges: [0, 1], rejected: [], notOwner: [] };
    sender.onAck(message);
  };
  const endTurn = (): void => {
    for (const fn of atTurnsEnd.splice(0)) fn();
  };
  return { sender, sent, write, ack, endTurn };
}

describe('Sender', () => {
  it('sends at once while nothing is under way', async () => {
    const { sender, sent, write } = setUp();
    write('a');
    write('b');
    await Promise.resolve();
    expect(sent).toEqual([['a', 'b']]);
    sender.close();
  });

  it('sends what is written upon the answers of one turn together', async () => {
    const { sender, sent, write, ack, endTurn } = setUp();
    write('a');
    await Promise.resolve();
    write('b');
    endTurn();
    ack(1);
    write('c');
    await Promise.resolve();
    ack(2);
    write('d');
    await Promise.resolve();
    expect(sent).toEqual([['a'], ['b']]);
    endTurn();
    expect(sent).toEqual([['a'], ['b'], ['c', 'd']]);
    sender.close();
  });

  it('does without turns where the platform has none', async () => {
    const { sender, sent, write } = setUp({ afterTurn: false });
    write('a');
    await Promise.resolve();
    write('b');
    await Promise.resolve();
    expect(sent).toEqual([['a'], ['b']]);
    sender.close();
  });
});
