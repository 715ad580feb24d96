import { TopGunClient } from '@topgunbuild/client';
import { CountedWebSocket } from '../harness/CountedWebSocket.js';
import { sample } from '../harness/sample.js';
import type { Peer, PeerPart } from './Peer.js';

export async function topgunPeer(url: string, name: string, part: PeerPart): Promise<Peer> {
  const client = new TopGunClient({ url, clientId: name, WebSocket: CountedWebSocket });
  await client.start();
  await client.ready({ timeoutMs: 20_000 });
  const map = client.getMap('shared');
  let seen: (count: number) => void = () => {};
  if (part === 'reader') {
    map.subscribe(({ changes }) => seen(changes.length));
    await map.synced({ timeoutMs: 20_000 });
  }
  let n = 0;
  return {
    write(count) {
      for (let i = 0; i < count; i++, n++) map.set(`${name}-${n}`, sample(n));
    },
    onSeen(listener) {
      seen = listener;
    },
    close: () => client.close(),
  };
}
