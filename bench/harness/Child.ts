import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answer, Call, Role } from './answer.js';

interface Waiter {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A process of its own: servers and load generators share the machine's cores as they would in production. */
export class Child<R extends Role> {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiter>();
  #nextId = 1;

  /** `script` calls `answer` with an object of type `R`. `flags` are for Node. */
  constructor(script: URL, flags: readonly string[] = []) {
    this.#process = fork(fileURLToPath(script), {
      execArgv: [...process.execArgv, ...flags],
      serialization: 'advanced',
    });
    this.#process.on('message', (message) => this.#onAnswer(message as Answer));
    this.#process.on('exit', (code) => {
      for (const waiter of this.#waiting.values()) waiter.reject(new Error(`${script} ended with code ${code}`));
      this.#waiting.clear();
    });
  }

  call<M extends keyof R & string>(method: M, ...args: Parameters<R[M]>): Promise<Awaited<ReturnType<R[M]>>> {
    const call: Call = { id: this.#nextId++, method, args };
    return new Promise((resolve, reject) => {
      this.#waiting.set(call.id, { resolve: (result) => resolve(result as Awaited<ReturnType<R[M]>>), reject });
      this.#process.send(call);
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.disconnect();
    await exited;
  }

  /** As a crash would end it. */
  async kill(): Promise<void> {
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }

  #onAnswer({ id, result, error }: Answer): void {
    const waiter = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiter?.resolve(result);
    else waiter?.reject(new Error(error));
  }
}
