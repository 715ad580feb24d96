import type { WebSocket } from 'ws';
import { CountedWebSocket } from '../harness/CountedWebSocket.js';
import { sample } from '../harness/sample.js';
import { BareMap } from '../opponents/BareMap.js';
import type { Peer } from './Peer.js';

/** Operations as JSON, a frame a transaction, merged into a bare map by whoever receives them. */
export async function relayPeer(url: string, name: string): Promise<Peer> {
  const ws = new (CountedWebSocket as unknown as typeof WebSocket)(url, { perMessageDeflate: false });
  await new Promise((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  });
  const map = new BareMap(name);
  let seen: (count: number) => void = () => {};
  ws.on('message', (data) => {
    const ops = JSON.parse(String(data)) as {
      key: string;
      value: unknown;
      ms: number;
      counter: number;
      replica: string;
    }[];
    for (const { key, ...entry } of ops) map.merge(key, entry);
    seen(ops.length);
  });
  let n = 0;
  return {
    write(count) {
      const ops = [];
      for (let i = 0; i < count; i++, n++) {
        ops.push({ key: `${name}-${n}`, value: sample(n), ms: Date.now(), counter: i, replica: name });
      }
      ws.send(JSON.stringify(ops));
    },
    onSeen(listener) {
      seen = listener;
    },
    async close() {
      ws.terminate();
    },
  };
}
