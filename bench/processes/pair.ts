import { answer } from '../harness/answer.js';
import { quantile } from '../harness/rounds.js';
import { clock, pause } from '../harness/sample.js';
import { connectPeer } from '../peers/connectPeer.js';
import type { PeerKind } from '../peers/Peer.js';

/** The pause between two writes: everything comes to rest. */
const IDLE_MS = 4;
let pairs = 0;

const role = {
  /** Two peers: from one's write until the other sees it, ms. */
  async propagation(
    kind: PeerKind,
    url: string,
    writes: number,
  ): Promise<{ readonly p50: number; readonly p99: number }> {
    const name = `pair-${process.pid}-${pairs++}`;
    const writer = await connectPeer(kind, url, `${name}-a`, 'writer');
    const reader = await connectPeer(kind, url, `${name}-b`, 'reader');
    const times: number[] = [];
    const warmUp = 300;
    for (let i = 0; i < writes + warmUp; i++) {
      await pause(IDLE_MS);
      const from = clock();
      const seen = new Promise<number>((resolve) => reader.onSeen(() => resolve(clock())));
      writer.write(1);
      const to = await seen;
      if (i >= warmUp) times.push(to - from);
    }
    await writer.close();
    await reader.close();
    return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
  },
};

export type PairRole = typeof role;
answer(role);
