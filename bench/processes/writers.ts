import { answer } from '../harness/answer.js';
import { type Traffic, takeTraffic } from '../harness/CountedWebSocket.js';
import { clock, nextTurn, pause, sample } from '../harness/sample.js';
import { connectPeer } from '../peers/connectPeer.js';
import type { Peer, PeerKind } from '../peers/Peer.js';
import { openYjs } from '../peers/yjsPeer.js';

let peers: Peer[] = [];
let gatherings = 0;

const role = {
  async connect(kind: PeerKind, url: string, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      peers.push(await connectPeer(kind, url, `writer-${process.pid}-${gatherings}-${i}`, 'writer'));
    }
    gatherings++;
    takeTraffic();
  },

  /** Each peer writes `transactions` of `ops` records, one a turn of the event loop. Returns when it began. */
  async write(transactions: number, ops: number): Promise<number> {
    const from = clock();
    for (let i = 0; i < transactions; i++) {
      for (const peer of peers) peer.write(ops);
      await nextTurn();
    }
    return from;
  },

  /** Bytes and frames since the connection stood, once nothing moves any more. */
  async traffic(): Promise<Traffic> {
    let total = takeTraffic();
    for (;;) {
      await pause(200);
      const more = takeTraffic();
      if (more.sent + more.received === 0) return total;
      total = {
        sent: total.sent + more.sent,
        received: total.received + more.received,
        framesReceived: total.framesReceived + more.framesReceived,
      };
    }
  },

  /** Fills a document of Yjs with records as `Fleet.fill` makes them. */
  async fillYjs(url: string, records: number): Promise<void> {
    const { doc, provider } = await openYjs(url, 'bench');
    const map = doc.getMap('bench');
    for (let i = 0; i < records; i += 100) {
      doc.transact(() => {
        for (let n = i; n < Math.min(records, i + 100); n++) map.set(`record-${n}`, sample(n));
      });
      await nextTurn();
    }
    // Leaving before the server has read everything would take what is under way along.
    for (let arrived = 0; arrived < records; await pause(100)) {
      const witness = await openYjs(url, 'bench');
      arrived = witness.doc.getMap('bench').size;
      witness.provider.destroy();
    }
    provider.destroy();
  },

  async close(): Promise<void> {
    await Promise.all(peers.map((peer) => peer.close()));
    peers = [];
  },
};

export type WritersRole = typeof role;
answer(role);
