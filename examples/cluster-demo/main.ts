/** See README.md. `npm run demo:cluster` runs it; `-- --help` tells the options. */
import { parseArgs } from 'node:util';
import { Demo, type DemoOptions, type Summary } from './Demo.js';
import { PlainLines } from './PlainLines.js';
import { paint } from './paint.js';
import { Screen } from './Screen.js';
import { summaryText } from './summaryText.js';

const HELP = `Usage: npm run demo:cluster -- [options]

Starts a cluster on this machine, writes to it through one client, kills the owner of a key before your eyes, brings it
back, and in the end reads everything back. Uses free ports and a temporary folder; leaves nothing behind.

Options:
  --ci                  no screen, plain lines, shorter pauses
  --nodes <n>           nodes, 2 to 6 (default 3)
  --rate <n>            writes a second, 1 to 20000 (default 2000; with --ci 500)
  --rounds <n>          how many times a node is killed, 1 to 100 (default 1)
  --nats-server <path>  the nats-server to use; else TOPGUN_NATS_SERVER, else the one on the PATH
  --help

Exit code: 0 all was acknowledged and nothing was lost, 1 something was lost or did not come back in time, 2 wrong usage,
130 interrupted.`;

class UsageError extends Error {}

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());
  let stage: Screen | PlainLines | null = null;
  const say = (line: string): void => {
    stage?.close();
    console.error(line);
  };
  try {
    const parsed = read(args);
    if (parsed === 'help') {
      console.log(HELP);
      return 0;
    }
    const { options, isCi } = parsed;
    const isTerminal = process.stdout.isTTY === true && !isCi;
    const colours = paint(isTerminal && (process.env.NO_COLOR ?? '') === '');
    stage = isTerminal ? new Screen(colours) : new PlainLines();
    const summary = await Demo.run(options, stage, interrupt.signal);
    stage.close();
    console.log(summaryText(summary, colours));
    return isGood(summary) ? 0 : 1;
  } catch (error) {
    if (error instanceof UsageError) {
      say(`${error.message}\nTry npm run demo:cluster -- --help`);
      return 2;
    }
    if (interrupt.signal.aborted) {
      say('interrupted; everything is stopped');
      return 130;
    }
    say(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    stage?.close();
  }
}

function read(args: readonly string[]): 'help' | { readonly options: DemoOptions; readonly isCi: boolean } {
  const values = valuesOf(args);
  if (values.help === true) return 'help';
  const isCi = values.ci === true;
  if (values['nats-server'] !== undefined) process.env.TOPGUN_NATS_SERVER = values['nats-server'];
  const options = {
    nodes: wholeNumber('--nodes', values.nodes, 3, 2, 6),
    ratePerSecond: wholeNumber('--rate', values.rate, isCi ? 500 : 2_000, 1, 20_000),
    rounds: wholeNumber('--rounds', values.rounds, 1, 1, 100),
    calmMs: isCi ? 1_000 : 5_000,
    outageMs: isCi ? 1_000 : 4_000,
  };
  return { options, isCi };
}

function valuesOf(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        ci: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        nodes: { type: 'string' },
        rate: { type: 'string' },
        rounds: { type: 'string' },
        'nats-server': { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(name: string, text: string | undefined, otherwise: number, least: number, most: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most || text.trim() === '') {
    throw new UsageError(`${name} must be a whole number from ${least} to ${most}, not ${text}`);
  }
  return value;
}

function isGood({ lost, rejected, unanswered }: Summary): boolean {
  return lost === 0 && rejected === 0 && unanswered === 0;
}
