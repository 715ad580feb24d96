import { answer } from '../harness/answer.js';
import { clock } from '../harness/sample.js';
import { connectPeer } from '../peers/connectPeer.js';
import type { Peer, PeerKind } from '../peers/Peer.js';

let peer: Peer | null = null;
let seen = 0;
let observations = 0;

const role = {
  async connect(kind: PeerKind, url: string): Promise<void> {
    seen = 0;
    peer = await connectPeer(kind, url, `observer-${process.pid}-${observations++}`, 'reader');
    seen = 0;
  },

  /** Resolves with the time at which `count` records of others had arrived since the connection stood. */
  until(count: number): Promise<number> {
    return new Promise((resolve) => {
      peer?.onSeen((more) => {
        seen += more;
        if (seen >= count) resolve(clock());
      });
    });
  },

  async close(): Promise<void> {
    await peer?.close();
    peer = null;
  },
};

export type ObserverRole = typeof role;
answer(role);
