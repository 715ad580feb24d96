import { onTestFinished } from 'vitest';
import { type ServerProcess, spawnServer } from '../e2e/support/startServer.js';

/** A node that is killed and started again on the same directory and port. */
export class ServerUnderFire {
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

  get url(): string {
    return this.#server.url;
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
