import { encodeValue, Tag } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { OpLog } from './OpLog.js';
import { PendingOp } from './PendingOp.js';

const VALUE = encodeValue(1);

function add(log: OpLog, key: string): PendingOp {
  const op = new PendingOp(log.nextNumber(), 'map', key, Tag.LWW_SET, 1, 1, 'me', 0, VALUE, true);
  log.add(op);
  return op;
}

describe('OpLog', () => {
  it('sends what is left of very many unsent operations, in their order', () => {
    const log = new OpLog();
    let last = add(log, 'often');
    for (let i = 0; i < 10_000; i++) {
      if (i % 1_000 === 0) add(log, `once-${i}`);
      const next = add(log, 'often');
      last.supersedeBy(next);
      log.remove(last);
      last = next;
    }
    expect(log.size).toBe(11);
    const sent = log.takeBatch(100, 10_000);
    expect(sent.map((op) => op.key)).toEqual([...Array.from({ length: 10 }, (_, i) => `once-${i * 1_000}`), 'often']);
    expect(log.hasQueued).toBe(false);
  });

  it('keeps operations in line that wait beside many others that are gone', () => {
    const log = new OpLog();
    const kept = add(log, 'kept');
    const sent = add(log, 'sent');
    expect(log.takeBatch(2, 1_000)).toEqual([kept, sent]);
    log.requeue([kept, sent]);
    for (let i = 0; i < 3_000; i++) {
      const op = add(log, 'gone');
      op.state = 'superseded';
      log.remove(op);
    }
    expect(log.takeBatch(100, 10_000)).toEqual([kept, sent]);
  });
});
