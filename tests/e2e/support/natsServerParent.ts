/** Starts a nats-server in the folder that it is given, says its URL, and waits to be killed. */
import { NatsServer } from '../../support/NatsServer.js';

const server = await NatsServer.start({ dir: process.argv[2] ?? '' });
console.log(server.url);
process.stdin.resume();
