import { Command } from 'commander';
import { guardServers } from '../cluster/guardServers.js';

/** Not for people: `topgun cluster` runs its nats-servers through it. */
export function natsGuardCommand(): Command {
  return new Command('nats-guard')
    .description('run nats-servers until stdin ends')
    .argument('<binary>')
    .argument('<configs...>')
    .action((binary: string, configs: readonly string[]) => guardServers(binary, configs));
}
