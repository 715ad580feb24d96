import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { runtimeError, usageError } from '../CliError.js';
import { describeExit, type Exit } from './describeExit.js';
import { ENTRY } from './entry.js';

export interface NodeProcessOptions {
  readonly name: string;
  /** Of `topgun serve`. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Held open as long as the node runs. */
  readonly lifeline: Writable | null;
  onOutput(line: string): void;
  onLog(line: string): void;
}

/** One node of `topgun cluster`, in a process of its own that stops when this one is gone. */
export class NodeProcess {
  readonly name: string;
  /** The URL of the node, once it serves. @throws CliError with what the node said when it ended before that */
  readonly ready: Promise<string>;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  #url: string | null = null;
  #lastWords: string | null = null;

  constructor({ name, args, env, lifeline, onOutput, onLog }: NodeProcessOptions) {
    this.name = name;
    const child = spawn(process.execPath, [ENTRY, 'serve', '--follow-parent', ...args], {
      // A group of its own: Ctrl-C is for the command, which stops the nodes in its own way.
      detached: true,
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', lifeline ?? 'ignore'],
    });
    this.#child = child;
    this.exited = exitOf(child);
    this.ready = new Promise((resolve, reject) => {
      onLines(child.stdout, (line) => {
        onOutput(line);
        const [, url] = /^topgun ready url=(\S+) /.exec(line) ?? [];
        if (url === undefined) return;
        this.#url = url;
        resolve(url);
      });
      void this.exited.then((exit) => reject(this.#failure(exit)));
    });
    // Whoever stops a cluster that starts does not ask.
    this.ready.catch(() => undefined);
    onLines(child.stderr, (line) => {
      // Of a node that does not start, this says why: once for all, not for each node.
      if (this.#url === null && line.startsWith('topgun: ')) this.#lastWords = line.slice('topgun: '.length);
      else onLog(line);
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Gracefully; also tells a node that has not started yet. */
  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #failure(exit: Exit): Error {
    if (this.#lastWords === null) return runtimeError(`${this.name} ${describeExit(exit)} before it was ready`);
    return exit.code === 2 ? usageError(this.#lastWords) : runtimeError(`${this.name}: ${this.#lastWords}`);
  }
}

/**
 * Resolves when the process has ended and all that it printed was read. Its `close` event would say the same, but does
 * not come when the channel was closed from this side.
 */
async function exitOf(child: ChildProcess): Promise<Exit> {
  const exit = new Promise<Exit>((resolve) => {
    child.once('error', () => resolve({ code: 1, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const outputs = [child.stdout, child.stderr].filter((stream) => stream !== null);
  await Promise.all(outputs.map((stream) => new Promise((resolve) => stream.once('close', resolve))));
  return await exit;
}

function onLines(stream: NodeJS.ReadableStream | null, listener: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', listener);
}
