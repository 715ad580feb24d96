import { spawn } from 'node:child_process';

/** How long a server may take to end before it is killed. */
const STOP_MS = 10_000;

/**
 * Runs one nats-server for each configuration, until this process's stdin ends: the guard's end of a pipe whose other end
 * is held by whoever needs the servers. The kernel closes that one with the last of its holders, however they end, so
 * no server outlives those it is for, and none is taken away while one of them still works.
 *
 * Tells on stdout, a line each: `pid INDEX PID` and `exit INDEX HOW`.
 */
export async function guardServers(binary: string, configs: readonly string[]): Promise<void> {
  // Who stops the servers is the pipe: what a terminal or a supervisor sends to everybody would end them too early.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
  const released = new Promise<void>((resolve) => {
    process.stdin.on('error', () => resolve());
    process.stdin.on('close', resolve).resume();
  });
  const servers = configs.map((config, index) => {
    const server = spawn(binary, ['--config', config], { stdio: 'ignore' });
    const ended = new Promise<void>((resolve) => {
      const tell = (how: string): void => {
        process.stdout.write(`exit ${index} ${how}\n`);
        resolve();
      };
      server.once('error', (error) => tell(error.message));
      server.once('exit', (code, signal) => tell(signal ?? `exit code ${code}`));
    });
    if (server.pid !== undefined) process.stdout.write(`pid ${index} ${server.pid}\n`);
    return { server, ended };
  });
  const ended = Promise.all(servers.map((one) => one.ended));
  await Promise.race([released, ended]);
  for (const { server } of servers) server.kill('SIGTERM');
  const timer = setTimeout(() => {
    for (const { server } of servers) server.kill('SIGKILL');
  }, STOP_MS);
  await ended;
  clearTimeout(timer);
  process.stdin.destroy();
}
