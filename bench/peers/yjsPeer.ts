import { WebsocketProvider } from 'y-websocket';
import { Doc } from 'yjs';
import { CountedWebSocket } from '../harness/CountedWebSocket.js';
import { sample } from '../harness/sample.js';
import type { Peer } from './Peer.js';

export async function yjsPeer(url: string, name: string): Promise<Peer> {
  const { doc, provider } = await openYjs(url, 'shared');
  const map = doc.getMap('shared');
  let seen: (count: number) => void = () => {};
  map.observe((event) => {
    if (!event.transaction.local) seen(event.changes.keys.size);
  });
  let n = 0;
  return {
    write(count) {
      doc.transact(() => {
        for (let i = 0; i < count; i++, n++) map.set(`${name}-${n}`, sample(n));
      });
    },
    onSeen(listener) {
      seen = listener;
    },
    async close() {
      provider.destroy();
      doc.destroy();
    },
  };
}

/** A document that has synced with the server. */
export async function openYjs(
  url: string,
  room: string,
): Promise<{ readonly doc: Doc; readonly provider: WebsocketProvider }> {
  const doc = new Doc();
  const provider = new WebsocketProvider(url, room, doc, { WebSocketPolyfill: CountedWebSocket, disableBc: true });
  await new Promise<void>((resolve) => provider.on('sync', (synced: boolean) => synced && resolve()));
  return { doc, provider };
}
