/**
 * Starts a nats-server as `topgun cluster` does, and a process that holds on to it as a node does. Prints the id of that
 * one, then waits to be killed. Arguments: the nats-server, its directory.
 */
import { spawn } from 'node:child_process';
import { LocalNats } from '../../../packages/cli/src/cluster/LocalNats.js';

const [binary = '', directory = ''] = process.argv.slice(2);
const nats = new LocalNats({ binary, directory, servers: 1, say: (line) => console.error(line) });
await nats.start(new AbortController().signal);
const heir = spawn('sleep', ['60'], { detached: true, stdio: ['ignore', 'ignore', 'ignore', nats.lifeline] });
heir.unref();
console.log(heir.pid);
