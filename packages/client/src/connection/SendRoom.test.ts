import { describe, expect, it } from 'vitest';
import { VirtualTime } from '../testing/VirtualTime.js';
import { SendRoom } from './SendRoom.js';

function setUp() {
  const time = new VirtualTime();
  const buffer = { bytes: 0 };
  let drains = 0;
  const onDrain = (): void => {
    drains++;
  };
  const limits = { fullBytes: 1_000, drainedBytes: 250, pollMs: 10 };
  const room = new SendRoom(time.runtime({ seed: 1 }), () => buffer.bytes, onDrain, limits);
  return { time, buffer, room, drains: () => drains };
}

describe('SendRoom', () => {
  it('has room up to its limit', () => {
    const { buffer, room } = setUp();
    buffer.bytes = 1_000;
    expect(room.take()).toBe(true);
    buffer.bytes = 1_001;
    expect(room.take()).toBe(false);
  });

  it('once full, stays so until it has drained well, so that sending does not stutter', async () => {
    const { time, buffer, room, drains } = setUp();
    buffer.bytes = 2_000;
    room.take();
    buffer.bytes = 251;
    await time.advance(100);
    expect([room.take(), drains()]).toEqual([false, 0]);
    buffer.bytes = 250;
    await time.advance(10);
    expect([room.take(), drains()]).toEqual([true, 1]);
  });

  it('sets no timer while there is room', () => {
    const { time, room } = setUp();
    room.take();
    expect(time.fireNext(1_000_000)).toBe(false);
  });
});
