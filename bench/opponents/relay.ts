import type { WebSocket } from 'ws';
import { answer } from '../harness/answer.js';
import { serve } from './serve.js';

/** A bare relay: every frame goes to everybody else, unseen, unchecked and unstored. */
const role = {
  start(): Promise<string> {
    const all = new Set<WebSocket>();
    return serve((ws) => {
      all.add(ws);
      ws.on('close', () => all.delete(ws));
      ws.on('message', (data) => {
        for (const other of all) if (other !== ws) other.send(data, { binary: true });
      });
    });
  },
};

export type RelayRole = typeof role;
answer(role);
