/** `npm run nats-server`: makes sure that there is a nats-server for tests and clusters, and prints its path. */
import { ensureNatsServer } from './natsServer.js';

try {
  console.log(await ensureNatsServer());
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
