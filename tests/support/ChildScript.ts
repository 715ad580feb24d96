import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const TSCONFIG = fileURLToPath(new URL('../tsconfig.json', import.meta.url));

/** A TypeScript file run as a process of its own, on the sources; it talks in lines. */
export class ChildScript {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  /** `wrapper` is a command that runs what follows it, such as `unshare --mount`. */
  constructor(script: URL, args: readonly string[], wrapper: readonly string[] = []) {
    const command = [...wrapper, process.execPath, '--import', TSX, fileURLToPath(script), ...args];
    const [program = '', ...rest] = command;
    const child = spawn(program, rest, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, TSX_TSCONFIG_PATH: TSCONFIG },
    });
    child.stderr.on('data', (chunk) => {
      this.#errors += String(chunk);
    });
    this.process = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** The next line of its output. @throws what it wrote on stderr, when it ended without one */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`The script ended: ${this.#errors}`);
    return value;
  }

  say(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  /** Ends it by SIGKILL, as a power cut would, and resolves when the kernel has let go of what it held. */
  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exit = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await exit;
  }
}
