import { Command } from 'commander';
import { benchCommand } from './commands/bench.js';
import { clusterCommand } from './commands/cluster.js';
import { natsGuardCommand } from './commands/natsGuard.js';
import { restoredCommand } from './commands/restored.js';
import { serveCommand } from './commands/serve.js';
import { statusCommand } from './commands/status.js';
import { tokenCommand } from './commands/token.js';

const EXAMPLES = `
Every option can also be set as an environment variable: --jwt-secret is TOPGUN_JWT_SECRET.
Exit codes: 0 all went well, 1 something failed, 2 wrong usage.

Examples:
  topgun serve
  topgun cluster --nodes 3
  topgun token --sub ann
  topgun status
  topgun bench --clients 10 --token "$(topgun token --sub bench)"`;

/** The command line. Commands throw CliError or commander's own errors; `run` turns both into an exit code. */
export function program(version: string): Command {
  const root = new Command('topgun').description('TopGun, a local-first data grid').version(version);
  const commands = [
    serveCommand(),
    clusterCommand(),
    tokenCommand(),
    statusCommand(),
    benchCommand(),
    restoredCommand(),
  ];
  for (const command of commands) {
    root.addCommand(command.copyInheritedSettings(root));
  }
  root.addCommand(natsGuardCommand(), { hidden: true });
  return root.addHelpText('after', EXAMPLES);
}
