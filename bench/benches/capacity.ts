import type { Bench } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { compare } from '../harness/format.js';
import { takeTurns } from '../harness/rounds.js';
import { startAckServer, startNode } from '../harness/servers.js';
import type { FrameGunRole } from '../processes/frameGun.js';

const CONNECTIONS = 50;
const OPS_PER_FRAME = 10;
/** Unanswered frames a connection: deep enough that nobody waits for the generator. */
const DEPTH = 8;

export const capacity: Bench = {
  name: 'capacity',
  about:
    'What one node takes: 50 connections, prepared 10-op frames, 8 of them unanswered a connection. Beside it a corked pipe: a bare `ws` server that answers each frame unseen, one write a turn.',
  async run(context) {
    const { rounds, scale } = context;
    const gun = new Child<FrameGunRole>(new URL('../processes/frameGun.ts', import.meta.url));
    const servers = {
      memory: await startNode(context, 'memory'),
      durable: await startNode(context, 'embedded'),
      pipe: await startAckServer(context, 'none', OPS_PER_FRAME),
      log: await startAckServer(context, 'log'),
      lmdb: await startAckServer(context, 'lmdb'),
    };
    const fire = (url: string) => async (): Promise<number> => {
      await gun.call('prepare', url, CONNECTIONS, Math.max(250, scale(400)), OPS_PER_FRAME);
      return gun.call('fire', DEPTH);
    };
    // For the compilers: until a server is hot it is another one.
    for (const { url } of [...Object.values(servers), ...Object.values(servers)]) await fire(url)();
    const speed = await takeTurns(rounds, {
      memory: fire(servers.memory.url),
      durable: fire(servers.durable.url),
      pipe: fire(servers.pipe.url),
      log: fire(servers.log.url),
      lmdb: fire(servers.lmdb.url),
    });
    await Promise.all([gun, ...Object.values(servers).map(({ child }) => child)].map((child) => child.stop()));
    return [
      compare('capacity, memory', speed.memory, 'corked pipe', speed.pipe, 'ops/s', { atLeast: 0.6 }),
      compare('capacity, durable', speed.durable, 'corked pipe', speed.pipe, 'ops/s', { atLeast: 0.3 }),
      compare('capacity, durable', speed.durable, 'bare group-commit log', speed.log, 'ops/s'),
      compare('capacity, durable', speed.durable, 'LMDB, one put an op', speed.lmdb, 'ops/s', { atLeast: 5 }),
    ];
  },
};
