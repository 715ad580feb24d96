import { TopGunClient, type TopGunClientOptions } from '@topgunbuild/client';
import { onTestFinished } from 'vitest';

/** A client that is online; closed after the test. */
export async function openClient(options: TopGunClientOptions): Promise<TopGunClient> {
  const client = startClient(options);
  await client.start();
  await client.ready({ timeoutMs: 10_000 });
  return client;
}

/** A client that is not started; closed after the test. */
export function startClient(options: TopGunClientOptions): TopGunClient {
  const client = new TopGunClient(options);
  onTestFinished(() => client.close());
  return client;
}
