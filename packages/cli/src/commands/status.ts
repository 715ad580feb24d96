import { Command } from 'commander';
import { envOption } from '../options/envOption.js';
import { nodeUrl } from '../options/parse.js';
import { askNode, askOthers } from '../status/askNode.js';
import { orphans, statusText } from '../status/statusText.js';

interface StatusOptions {
  readonly url: string;
  readonly json?: true;
}

const EXAMPLES = `
Asks one node for the cluster as it sees it, and the others, at the addresses that they advertise, for themselves.
Ends with exit code 0 when the node is ready, no other says that it is not, and every partition has an owner; else 1.

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
      const { problem, cluster: seen } = await askNode(url);
      const cluster = await askOthers(seen);
      console.log(
        json === true ? JSON.stringify({ ready: problem === null, problem, ...cluster }) : statusText(problem, cluster),
      );
      const isWell = problem === null && orphans(cluster) === 0 && cluster.nodes.every(({ ready }) => ready !== false);
      if (!isWell) process.exitCode = 1;
    });
}
