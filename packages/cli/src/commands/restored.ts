import { Command } from 'commander';
import { messageOf, runtimeError } from '../CliError.js';
import { clusterNameOption } from '../options/clusterOptions.js';
import { envOption } from '../options/envOption.js';
import { type NatsServers, natsServers } from '../options/natsServers.js';

interface RestoredOptions {
  readonly nats: NatsServers;
  readonly cluster: string;
}

const EXAMPLES = `
To be run once after the streams of a cluster were restored from a backup, before its nodes are started. It gives the
log another id: clients sync anew, and offer again what was acknowledged to them after the backup was made. It
changes nothing, and ends with exit code 1, while a node of the cluster runs.

Examples:
  topgun restored --nats nats://10.0.0.1,nats://10.0.0.2
  topgun restored --nats nats://127.0.0.1 --cluster shop`;

export function restoredCommand(): Command {
  return new Command('restored')
    .description('tell a cluster that its data was restored from a backup')
    .addOption(envOption('--nats <urls>', 'the NATS that keeps the data').argParser(natsServers).makeOptionMandatory())
    .addOption(clusterNameOption())
    .addHelpText('after', EXAMPLES)
    .action(async ({ nats, cluster }: RestoredOptions) => {
      const { restored } = await import('@topgunbuild/server');
      try {
        const { logId, formerLogId } = await restored({ ...nats, cluster });
        console.log(`topgun restored cluster=${cluster} log=${logId} before=${formerLogId}`);
      } catch (error) {
        throw runtimeError(messageOf(error), error);
      }
    });
}
