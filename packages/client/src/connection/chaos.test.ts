import type { ServerMessage } from '@topgunbuild/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryTransport } from '../testing/MemoryTransport.js';
import { ScriptedNode } from '../testing/ScriptedNode.js';
import { VirtualTime } from '../testing/VirtualTime.js';
import type { Credentials, ProviderEvent } from './ConnectionProvider.js';
import { SingleServerProvider } from './SingleServerProvider.js';

const MESSAGES: readonly ((node: ScriptedNode) => ServerMessage)[] = [
  (node) => node.authRequired(),
  (node) => node.authRequired({ protocol: 9 }),
  (node) => node.authAck({ subject: 'forced' }),
  () => ({ type: 'AUTH_FAIL', code: 'AUTH_EXPIRED', message: 'old' }),
  () => ({ type: 'AUTH_FAIL', code: 'RATE_LIMITED', message: 'busy' }),
  () => ({ type: 'PONG', nonce: 1, serverTime: 0 }),
  () => ({ type: 'GOODBYE', reason: 'restart', retryAfterMs: 1_000 }),
  () => ({ type: 'ERROR', code: 'INTERNAL', message: 'oops', ref: null }),
  () => ({ type: 'OP_ACK', batchId: 1, ranges: [], rejected: [], notOwner: [] }),
];

const FAULTS = [
  'message',
  'bytes',
  'close',
  'freeze',
  'stop',
  'start',
  'stall',
  'reauthenticate',
  'mute',
  'sleep',
] as const;

const step = fc.record({
  fault: fc.constantFrom(...FAULTS),
  pick: fc.nat(MESSAGES.length - 1),
  bytes: fc.uint8Array({ maxLength: 12 }),
  thenMs: fc.oneof(fc.nat(15), fc.nat(40_000)),
});

describe('SingleServerProvider under chaos', () => {
  it('stays consistent whatever happens, and is connected in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(step, { maxLength: 25 }), async (seed, steps) => {
        const time = new VirtualTime();
        const runtime = time.runtime({ seed });
        const transport = new MemoryTransport(runtime, 5);
        const node = new ScriptedNode(transport, runtime);
        const credentials = (): Promise<Credentials> =>
          new Promise((resolve) => {
            const answer = { token: 'alice', clientId: 'c', mapVersion: 0 };
            runtime.setTimer(runtime.random() * 40, () => resolve(answer));
          });
        // What a listener throws, a failed expectation too, is caught and reported.
        const failures: object[] = [];
        const logger = { debug() {}, info() {}, warn() {}, error: (details: object) => failures.push(details) };
        const provider = new SingleServerProvider({ url: node.endpoint, transport, runtime, credentials, logger });
        let connected = false;
        provider.on((event: ProviderEvent) => {
          if (event.type === 'connected') {
            expect(connected).toBe(false);
            connected = true;
          }
          if (event.type === 'disconnected') {
            expect(connected).toBe(true);
            connected = false;
          }
          expect(provider.isConnected()).toBe(connected);
          if (event.type === 'message' || event.type === 'drain') expect(connected).toBe(true);
        });
        provider.connect();
        for (const { fault, pick, bytes, thenMs } of steps) {
          const peer = node.peers.at(-1);
          if (fault === 'message') {
            const message = MESSAGES[pick]?.(node);
            if (peer !== undefined && message !== undefined) node.say(message);
          } else if (fault === 'bytes') peer?.send(bytes);
          else if (fault === 'close') peer?.close(1011);
          else if (fault === 'freeze') peer?.freeze();
          else if (fault === 'stop') node.stop();
          else if (fault === 'start') node.start();
          else if (fault === 'stall') peer?.stopReading();
          else if (fault === 'reauthenticate') provider.reauthenticate();
          else if (fault === 'mute') node.script.pings = !node.script.pings;
          else await time.sleep(thenMs);
          await time.advance(thenMs);
          expect(provider.isConnected()).toBe(connected);
        }
        node.stop();
        node.start();
        node.script.pings = true;
        // Enough for the longest of: half-open death, a wait for a server of another version, a full back-off.
        await time.advance(130_000);
        provider.reauthenticate();
        await time.advance(130_000);
        expect(provider.isConnected()).toBe(true);
        expect(transport.attempts.length).toBeLessThan(12 + time.now / 5_000);
        await provider.close();
        expect(provider.isConnected()).toBe(false);
        expect(failures).toEqual([]);
        const attempts = transport.attempts.length;
        await time.advance(200_000);
        expect(transport.attempts.length).toBe(attempts);
        expect(connected).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
