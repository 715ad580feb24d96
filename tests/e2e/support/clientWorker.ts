/** The other side of ClientProcess: a client that does what it is told over IPC. Its setup is its first argument. */
import { LmdbAdapter } from '@topgunbuild/adapters/lmdb';
import { TopGunClient } from '@topgunbuild/client';

export interface ClientSetup {
  readonly url: string;
  readonly token?: string;
  /** Keeps its store in this folder. Without it: in memory. */
  readonly data?: string;
}

export type ClientCall =
  | { readonly type: 'start' | 'pending' | 'status' | 'flush' }
  | {
      readonly type: 'set';
      readonly map: string;
      readonly key: string;
      readonly value: unknown;
      readonly until: 'persisted' | 'acked';
    }
  | { readonly type: 'increment'; readonly map: string; readonly until: 'persisted' | 'acked' }
  | { readonly type: 'get'; readonly map: string; readonly key: string }
  /** Answers when the map has this key. */
  | { readonly type: 'see'; readonly map: string; readonly key: string };

export type ClientReply = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });

const setup = JSON.parse(process.argv[2] ?? '{}') as ClientSetup;
const client = new TopGunClient({
  url: setup.url,
  ...(setup.token === undefined ? {} : { auth: setup.token }),
  ...(setup.data === undefined ? {} : { storage: new LmdbAdapter({ path: setup.data }) }),
});

process.on('message', ({ id, call }: { readonly id: number; readonly call: ClientCall }) => {
  const answer = (reply: ClientReply): unknown => process.send?.(reply);
  perform(call).then(
    (result) => answer({ id, result }),
    (error: unknown) => answer({ id, error: String(error) }),
  );
});
// Whoever gives the orders is gone.
process.on('disconnect', () => process.exit(0));

async function perform(call: ClientCall): Promise<unknown> {
  switch (call.type) {
    case 'start':
      return await client.start();
    case 'pending':
      return client.pendingWrites;
    case 'status':
      return client.status;
    case 'flush':
      return await client.flush();
    case 'set':
      return await client.getMap(call.map).set(call.key, call.value)[call.until];
    case 'increment':
      return await client.getCounter(call.map).increment()[call.until];
    case 'get':
      return client.getMap(call.map).get(call.key);
    case 'see':
      return await seen(call.map, call.key);
  }
}

function seen(map: string, key: string): Promise<unknown> {
  const handle = client.getMap(map);
  return new Promise((resolve) => {
    const look = (): void => {
      const value = handle.get(key);
      if (value === undefined) return;
      unsubscribe();
      resolve(value);
    };
    const unsubscribe = handle.subscribe(look);
    look();
  });
}
