import { execFileSync } from 'node:child_process';

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** The processes that `pid` started, and those that they started. */
export function descendantsOf(pid: number): readonly Process[] {
  const all = processes();
  const of = (parent: number): readonly Process[] =>
    all.filter((one) => one.parent === parent).flatMap((one) => [one, ...of(one.pid)]);
  return of(pid);
}

/** Those that still run. One that has ended, and whose parent has not asked for its exit code, does not. */
export function alive(pids: readonly number[]): readonly number[] {
  const running = new Set(processes().map((one) => one.pid));
  return pids.filter((pid) => running.has(pid));
}

function processes(): readonly Process[] {
  const output = execFileSync('ps', ['-eo', 'pid=,ppid=,stat=,args=']).toString();
  return output.split('\n').flatMap((line) => {
    const [, pid, parent, state = '', command = ''] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined || state.startsWith('Z') ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
  });
}
