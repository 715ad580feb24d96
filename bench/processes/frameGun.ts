import { answer } from '../harness/answer.js';
import { type Gun, loadGun, openGun, shoot } from '../harness/gun.js';
import { clock } from '../harness/sample.js';

/** A raw generator for one server. */
const KEYS_EACH = 2_000;
let guns: { readonly gun: Gun; readonly frames: readonly Buffer[] }[] = [];
let opsPerFrame = 0;

const role = {
  async prepare(url: string, connections: number, frames: number, opsEach: number): Promise<void> {
    opsPerFrame = opsEach;
    guns = await Promise.all(
      Array.from({ length: connections }, async (_, index) => {
        const gun = await openGun(url, `gun-${process.pid}-${index}`);
        const keys = Array.from({ length: KEYS_EACH }, (_, n) => `${gun.replica.slice(4, 12)}-${n}`);
        return { gun, frames: loadGun(gun, { keys, frames, opsPerFrame, routed: false }) };
      }),
    );
  },

  /** Sends everything, each connection with `depth` frames unanswered, and returns acknowledged operations per second. */
  async fire(depth: number): Promise<number> {
    const from = clock();
    await Promise.all(guns.map(({ gun, frames }) => shoot(gun, frames, depth)));
    const seconds = (clock() - from) / 1000;
    let ops = 0;
    for (const { gun, frames } of guns) {
      ops += frames.length * opsPerFrame;
      gun.socket.destroy();
    }
    return ops / seconds;
  },
};

export type FrameGunRole = typeof role;
answer(role);
