import { type Command, CommanderError } from 'commander';
import { CliError } from './CliError.js';
import { dropUnsetVariables } from './options/envOption.js';

/** Runs a command line. Whatever goes wrong on purpose ends as one line on stderr; the returned number is the exit code. */
export async function run(program: Command, argv: readonly string[]): Promise<number> {
  dropUnsetVariables(process.env);
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ outputError: (text, write) => write(oneLine(text)) });
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    // Commander has written its own line, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof CliError)) throw error;
    process.stderr.write(oneLine(error.message));
    return error.exitCode;
  }
}

function oneLine(text: string): string {
  return `topgun: ${text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')}\n`;
}
