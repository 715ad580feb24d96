/** Somebody who writes to and reads from a shared map, whatever is underneath. */
export interface Peer {
  /** Writes `count` records with keys of its own as one transaction, or what comes closest to one. */
  write(count: number): void;
  /** Calls `listener` with the number of records of others that arrived. */
  onSeen(listener: (count: number) => void): void;
  close(): Promise<void>;
}

export type PeerKind = 'topgun' | 'relay' | 'yjs';

/** What a peer is there for: a writer need not download what others write. */
export type PeerPart = 'writer' | 'reader';
