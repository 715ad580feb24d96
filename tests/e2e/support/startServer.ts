import { onTestFinished } from 'vitest';
import { Child, type ChildOptions, CLI } from './Child.js';

export interface ServerProcess {
  readonly child: Child;
  readonly url: string;
  readonly http: string;
  readonly port: number;
  readonly nodeId: string;
}

/**
 * `topgun serve` with these arguments, ready. Any free port unless `--port` says otherwise. Killed after the test if it
 * still runs.
 */
export async function startServer(args: readonly string[], options: ChildOptions = {}): Promise<ServerProcess> {
  const server = await spawnServer(args, options);
  onTestFinished(async () => {
    await server.child.kill();
  });
  return server;
}

/** As `startServer`, but whoever starts it ends it. */
export async function spawnServer(args: readonly string[], options: ChildOptions = {}): Promise<ServerProcess> {
  const port = args.includes('--port') ? [] : ['--port', '0'];
  const child = new Child([CLI, 'serve', ...port, ...args], options);
  try {
    const [, url = '', nodeId = ''] = await child.prints(/^topgun ready url=(\S+) node=(\S+) backbone=\S+\n/m, 30_000);
    return { child, url, http: url.replace(/^ws/, 'http'), port: Number(new URL(url).port), nodeId };
  } catch (error) {
    await child.kill();
    throw error;
  }
}
