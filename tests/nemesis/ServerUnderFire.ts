import { onTestFinished } from 'vitest';
import { type ServerProcess, spawnServer } from '../e2e/support/startServer.js';
import type { SystemUnderFire } from './runUnderFire.js';

const WRITERS = 3;

/** A node that is killed and started again on the same directory and port. */
export class ServerUnderFire implements SystemUnderFire {
  readonly #args: readonly string[];
  #server: ServerProcess;

  private constructor(args: readonly string[], server: ServerProcess) {
    this.#args = args;
    this.#server = server;
  }

  static async start(directory: string): Promise<ServerUnderFire> {
    const args = ['--data', directory, '--no-auth'];
    const fire = new ServerUnderFire(args, await spawnServer(args));
    onTestFinished(async () => {
      await fire.#server.child.kill();
    });
    return fire;
  }

  get urls(): readonly string[] {
    return new Array<string>(WRITERS).fill(this.#server.url);
  }

  /** One more restart, so that what is read comes from the disk. */
  async beforeReading(): Promise<void> {
    await this.kill();
    await this.restart();
  }

  async kill(): Promise<void> {
    await this.#server.child.kill();
  }

  async restart(): Promise<void> {
    this.#server = await spawnServer([...this.#args, '--port', String(this.#server.port)]);
  }

  pause(): void {
    this.#server.child.signal('SIGSTOP');
  }

  resume(): void {
    this.#server.child.signal('SIGCONT');
  }
}
