/** 1: something failed while running; 2: the command was called in a wrong way. */
export type ExitCode = 1 | 2;

/** Ends the command with one line on stderr and an exit code. */
export class CliError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

export function usageError(message: string, cause?: unknown): CliError {
  return new CliError(2, message, { cause });
}

export function runtimeError(message: string, cause?: unknown): CliError {
  return new CliError(1, message, { cause });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
