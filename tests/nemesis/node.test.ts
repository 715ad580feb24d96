import { describe, expect, it } from 'vitest';
import { tempFolder } from '../e2e/support/tempFolder.js';
import { moreAcks, pause, runUnderFire } from './runUnderFire.js';
import { ServerUnderFire } from './ServerUnderFire.js';

/** NEMESIS_KILLS=500 makes a long run. */
const KILLS = Number(process.env.NEMESIS_KILLS ?? 20);
const PAUSES = 2;
const PAUSE_MS = 2_000;

describe('a node under load', () => {
  it(`keeps every acked write through ${KILLS} times kill -9, and answers every other one after its return`, {
    timeout: 60_000 + KILLS * 5_000,
  }, async () => {
    const server = await ServerUnderFire.start(tempFolder());
    const { problems, history } = await runUnderFire('kill', server, async (log) => {
      for (let kill = 1; kill <= KILLS; kill++) {
        await moreAcks(log, 50);
        // At any point of whatever it is doing.
        await pause(Math.random() * 100);
        log.fault(`kill ${kill}`);
        await server.kill();
        await server.restart();
      }
      await moreAcks(log, 50);
    });
    expect(problems).toEqual([]);
    expect(history.count('fault')).toBe(KILLS);
    expect(history.count('reject')).toBe(0);
    expect(history.count('ack')).toBeGreaterThan(KILLS * 50);
  });

  it('goes on where it was after a pause of seconds, with nothing lost and nothing counted twice', {
    timeout: 60_000,
  }, async () => {
    const server = await ServerUnderFire.start(tempFolder());
    const { problems, history } = await runUnderFire('pause', server, async (log) => {
      for (let round = 1; round <= PAUSES; round++) {
        await moreAcks(log, 200);
        log.fault(`pause ${round}`);
        server.pause();
        await pause(PAUSE_MS);
        server.resume();
      }
      await moreAcks(log, 200);
    });
    expect(problems).toEqual([]);
    expect(history.count('reject')).toBe(0);
  });
});
