import { Command } from 'commander';
import { messageOf, runtimeError } from '../CliError.js';
import { envOption } from '../options/envOption.js';
import { httpUrl, nodeUrl } from '../options/parse.js';
import { readCluster } from '../status/readCluster.js';
import { statusText } from '../status/statusText.js';

interface StatusOptions {
  readonly url: string;
  readonly json?: true;
}

const TIMEOUT_MS = 5_000;

const EXAMPLES = `
Ends with exit code 0 when the node is ready, else 1.

Examples:
  topgun status
  topgun status --url ws://10.0.0.5:8080 --json`;

export function statusCommand(): Command {
  return new Command('status')
    .description('nodes, partitions per node, map version, lag')
    .addOption(
      envOption('--url <url>', 'a node: ws, wss, http or https').argParser(nodeUrl).default('ws://127.0.0.1:8080'),
    )
    .addOption(envOption('--json', 'one JSON object'))
    .addHelpText('after', EXAMPLES)
    .action(async ({ url, json }: StatusOptions) => {
      const [ready, answer] = await Promise.all([get(httpUrl(url, '/readyz')), get(httpUrl(url, '/cluster'))]);
      const cluster = readCluster(answer.body);
      if (cluster === null) throw runtimeError(`${url} is no TopGun node: its /cluster is not what a node answers`);
      const problem = ready.status === 200 ? null : ready.body.trim();
      console.log(
        json === true ? JSON.stringify({ ready: problem === null, problem, ...cluster }) : statusText(problem, cluster),
      );
      if (problem !== null) process.exitCode = 1;
    });
}

async function get(url: URL): Promise<{ readonly status: number; readonly body: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    // fetch says only that it failed; why is in its cause.
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw runtimeError(`${url.origin} cannot be reached: ${messageOf(reason) || 'connection refused'}`, error);
  }
}
