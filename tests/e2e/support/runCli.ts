import { Child, type ChildOptions, CLI } from './Child.js';

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line to its end. */
export async function runCli(args: readonly string[], options: ChildOptions = {}): Promise<CliResult> {
  const child = new Child([CLI, ...args], options);
  child.process.stdin?.end();
  const { code } = await child.exited;
  return { code, stdout: child.stdout, stderr: child.stderr };
}
