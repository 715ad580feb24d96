import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { ROOT } from './Child.js';
import type { ClientCall, ClientReply, ClientSetup } from './clientWorker.js';

const WORKER = fileURLToPath(new URL('./clientWorker.ts', import.meta.url));

/** A client in a process of its own, which can be killed. */
export class ClientProcess {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (reply: ClientReply) => void>();
  #nextId = 1;

  private constructor(setup: ClientSetup) {
    this.#process = fork(WORKER, [JSON.stringify(setup)], {
      cwd: ROOT,
      execArgv: ['--import', 'tsx'],
      serialization: 'advanced',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    this.#process.on('message', (reply: ClientReply) => {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
    this.#process.on('close', () => {
      for (const [id, settle] of this.#waiting) settle({ id, error: 'the client process ended' });
      this.#waiting.clear();
    });
  }

  /** Started, not necessarily online. Killed after the test if it still runs. */
  static async open(setup: ClientSetup): Promise<ClientProcess> {
    const client = new ClientProcess(setup);
    onTestFinished(() => client.kill());
    await client.call({ type: 'start' });
    return client;
  }

  async call(call: ClientCall): Promise<unknown> {
    const id = this.#nextId++;
    const reply = await new Promise<ClientReply>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#process.send({ id, call });
    });
    if ('error' in reply) throw new Error(reply.error);
    return reply.result;
  }

  /** SIGKILL: nothing that it has not done yet will be done. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const closed = once(this.#process, 'close');
    this.#process.kill('SIGKILL');
    await closed;
  }
}
