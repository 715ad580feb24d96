import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const CLI = fileURLToPath(new URL('../../../packages/cli/bin/topgun.js', import.meta.url));

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A Node process with what it prints. */
export class Child {
  readonly process: ChildProcess;
  readonly exited: Promise<Exit>;
  stdout = '';
  stderr = '';
  #changed: () => void = () => undefined;
  #exit: Exit | null = null;

  constructor(args: readonly string[], { cwd = ROOT, env = {} }: ChildOptions = {}) {
    if (!existsSync(new URL('../../../packages/cli/dist/main.js', import.meta.url))) {
      throw new Error('packages/cli is not built: run npm run build');
    }
    this.process = spawn(process.execPath, [...args], { cwd, env: { ...cleanEnv(), ...env }, stdio: 'pipe' });
    this.process.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString();
      this.#changed();
    });
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
      this.#changed();
    });
    this.exited = once(this.process, 'close').then(([code, signal]) => {
      this.#exit = { code: code as number | null, signal: signal as NodeJS.Signals | null };
      this.#changed();
      return this.#exit;
    });
    // Who writes to a process that ended learns of it by its exit.
    this.process.stdin?.on('error', () => undefined);
  }

  get pid(): number {
    return this.process.pid ?? -1;
  }

  type(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** Ends the process if it still runs, and waits for its end. */
  async kill(): Promise<Exit> {
    this.process.kill('SIGKILL');
    return await this.exited;
  }

  /** Waits until `pattern` is found in what the process printed, stdout or stderr. */
  async prints(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match !== null) return match;
      if (this.#exit !== null)
        throw new Error(`ended with ${JSON.stringify(this.#exit)} before it printed ${pattern}:\n${this.#output()}`);
      await this.#change(deadline - Date.now(), pattern);
    }
  }

  #change(timeoutMs: number, pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`did not print ${pattern} in time:\n${this.#output()}`)),
        timeoutMs,
      );
      this.#changed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #output(): string {
    return `stdout: ${this.stdout}\nstderr: ${this.stderr}`;
  }
}

/** Nothing of the environment of the tests reaches the command line under test. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(TOPGUN_|VITEST|NODE_OPTIONS|NODE_ENV)/.test(name)),
  );
}
