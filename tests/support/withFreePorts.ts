import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

const FIRST = 20_000;
const END = 32_000;
const LOOKS = 1_000;
const ATTEMPTS = 3;

/**
 * Starts something on `count` ports of 127.0.0.1 that nobody listens on, and on others when somebody else was faster:
 * when `start` throws an error that says so. The ports are below those that systems give to outgoing connections, so
 * that no connection, not even a client's attempt to reach that very port, takes one while its server is down.
 */
export async function withFreePorts<T>(count: number, start: (ports: readonly number[]) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePorts(count));
    } catch (error) {
      if (attempt === ATTEMPTS || !String(error).includes('address already in use')) throw error;
    }
  }
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let look = 0; look < LOOKS && ports.size < count; look++) {
    const port = randomInt(FIRST, END);
    if (await isFree(port)) ports.add(port);
  }
  if (ports.size < count) throw new Error(`no ${count} free ports between ${FIRST} and ${END}`);
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
