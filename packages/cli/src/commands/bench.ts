import { Command } from 'commander';
import { benchText } from '../bench/BenchReport.js';
import type { BenchPlan } from '../bench/runBench.js';
import { usageError } from '../CliError.js';
import { chooseOne } from '../options/chooseOne.js';
import { envOption } from '../options/envOption.js';
import { filled, nodeUrl, nodeUrls, seconds, wholeNumber } from '../options/parse.js';

interface BenchOptions extends BenchPlan {
  readonly json?: true;
}

const EXAMPLES = `
Writes to the map topgun-bench of the node. One operation is one write of one key, counted when the node has acknowledged
it as durable. Ctrl-C ends the run early and reports. Exit code 1 when an operation was rejected or not answered.

Examples:
  topgun bench                                           50 clients, 10 s, against ws://127.0.0.1:8080
  topgun bench --token "$(topgun token --sub bench)"     against a node that asks for tokens
  topgun bench --seeds ws://127.0.0.1:8080,ws://127.0.0.1:8081
  topgun bench --clients 1 --in-flight 500 --batch 100 --json`;

export function benchCommand(): Command {
  return new Command('bench')
    .description('load a node or a cluster through real clients and measure acknowledged writes')
    .addOption(envOption('--url <url>', 'the node').argParser(nodeUrl).default('ws://127.0.0.1:8080'))
    .addOption(envOption('--seeds <urls>', 'nodes of a cluster, instead of --url').argParser(nodeUrls))
    .addOption(
      envOption('--clients <n>', 'clients, each with connections of its own')
        .argParser(wholeNumber(1, 10_000))
        .default(50),
    )
    .addOption(envOption('--duration <seconds>', 'how long to write').argParser(seconds).default(10))
    .addOption(
      envOption('--in-flight <n>', 'operations that a client keeps unanswered')
        .argParser(wholeNumber(1, 100_000))
        .default(10),
    )
    .addOption(
      envOption('--batch <n>', 'operations that a client writes together')
        .argParser(wholeNumber(1, 100_000))
        .default(1),
    )
    .addOption(envOption('--value-bytes <n>', 'size of a value').argParser(wholeNumber(0, 1_000_000)).default(100))
    .addOption(envOption('--token <jwt>', 'token of all clients').argParser(filled))
    .addOption(envOption('--json', 'one JSON object'))
    .addHelpText('after', EXAMPLES)
    .action(async (options: BenchOptions, command: Command) => {
      const inFlight = inFlightOf(options, command);
      const isCluster = chooseOne(command, { seeds: '--seeds', url: '--url' }) === 'seeds';
      // Loaded when it is needed: mistakes should not wait for a client.
      const { runBench } = await import('../bench/runBench.js');
      const report = await runBench({ ...options, inFlight, seeds: isCluster ? options.seeds : undefined });
      console.log(options.json === true ? JSON.stringify(report) : benchText(report));
      if (report.acked < report.issued) process.exitCode = 1;
    });
}

/** Batches larger than the default number under way raise it; a number that was asked for must hold them. */
function inFlightOf({ inFlight, batch }: BenchOptions, command: Command): number {
  if (batch <= inFlight) return inFlight;
  if (command.getOptionValueSource('inFlight') === 'default') return batch;
  throw usageError(`--batch ${batch} cannot be larger than --in-flight ${inFlight}`);
}
