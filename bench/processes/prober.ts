import { answer } from '../harness/answer.js';
import { loadGun, openGun, shoot } from '../harness/gun.js';
import { clock, pause } from '../harness/sample.js';

/** Writes a key again and again, as clients do: what is refused is sent again. */
const BETWEEN_WRITES_MS = 2;
const BEFORE_RETRY_MS = 20;

interface Watch {
  isOver: boolean;
  readonly gap: Promise<number>;
}

let watches: Watch[] = [];

const role = {
  /** Begins to write each of `keys` by way of the node at `url`, one write after the other. */
  async watch(url: string, keys: readonly string[]): Promise<void> {
    watches = await Promise.all(
      keys.map(async (key, index) => {
        const gun = await openGun(url, `probe-${process.pid}-${index}`);
        const work = async (): Promise<number> => {
          let longest = 0;
          while (!watch.isOver) longest = Math.max(longest, await write());
          gun.socket.destroy();
          return longest;
        };
        const write = async (): Promise<number> => {
          for (const from = clock(); ; await pause(BEFORE_RETRY_MS)) {
            const frames = loadGun(gun, { keys: [key], frames: 1, opsPerFrame: 1, routed: false });
            const isAcked = await shoot(gun, frames, 1).then(
              () => true,
              () => false,
            );
            const waited = clock() - from;
            if (isAcked) {
              await pause(BETWEEN_WRITES_MS);
              return waited;
            }
          }
        };
        const watch: Watch = { isOver: false, gap: new Promise((resolve) => setImmediate(() => resolve(work()))) };
        return watch;
      }),
    );
  },

  /** Stops, and tells for each key how long the slowest write waited for its acknowledgement, ms. */
  async longest(): Promise<readonly number[]> {
    for (const watch of watches) watch.isOver = true;
    return await Promise.all(watches.map(({ gap }) => gap));
  },
};

export type ProberRole = typeof role;
answer(role);
