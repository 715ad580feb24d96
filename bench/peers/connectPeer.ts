import type { Peer, PeerKind, PeerPart } from './Peer.js';
import { relayPeer } from './relayPeer.js';
import { topgunPeer } from './topgunPeer.js';
import { yjsPeer } from './yjsPeer.js';

/** Connects a peer called `name`, which must be new to the server. */
export function connectPeer(kind: PeerKind, url: string, name: string, part: PeerPart): Promise<Peer> {
  switch (kind) {
    case 'topgun':
      return topgunPeer(url, name, part);
    case 'relay':
      return relayPeer(url, name);
    case 'yjs':
      return yjsPeer(url, name);
  }
}
