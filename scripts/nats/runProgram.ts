import { execFile } from 'node:child_process';

export interface Outcome {
  /** Exit status 0, in time. */
  readonly ok: boolean;
  readonly stdout: string;
  /** Why it failed: what it wrote on stderr, or what kept it from running. */
  readonly complaint: string;
}

/** Runs a program to its end, or kills it when `timeoutMs` have passed. Never throws. */
export function runProgram(
  program: string,
  args: readonly string[],
  timeoutMs: number,
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const bounds = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 2 ** 24 } as const;
    const child = execFile(program, args, { ...bounds, ...options }, (error, stdout, stderr) => {
      const late = error?.killed === true ? `${program} took more than ${timeoutMs / 1000} s. ` : '';
      resolve({ ok: error === null, stdout, complaint: `${late}${stderr.trim() || (error?.message ?? '')}` });
    });
    child.stdin?.end();
  });
}
