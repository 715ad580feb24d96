import { createConnection } from 'node:net';
import { encodeMessage, encodeValue } from '@topgunbuild/core';
import { afterEach, describe, expect, it } from 'vitest';
import { GatewayHarness, type GatewayOptions, maskedFrame, upgradeRequest } from '../testing/gatewayHarness.js';

let harness: GatewayHarness;

async function gateway(options: GatewayOptions = {}): Promise<GatewayHarness> {
  harness = await new GatewayHarness(options).start();
  return harness;
}

afterEach(() => harness.stop());

/** The server learns of a client's end a moment after the client does. */
async function nobodyLeft(): Promise<void> {
  while (harness.sessions.size > 0) await new Promise((resolve) => setImmediate(resolve));
}

/** Whoever else is connected must not notice anything. */
async function expectAlive(): Promise<void> {
  const client = await harness.join(`probe-${Math.random().toString(36).slice(2)}`);
  client.send({ type: 'PING', nonce: 7 });
  expect(await client.until('PONG')).toMatchObject({ nonce: 7 });
  client.ws.close();
  await client.closed();
}

describe('a WebSocket client', () => {
  it('is greeted, authenticates and is served', async () => {
    await gateway();
    const client = await harness.join();
    expect(client.messages.map((message) => message.type)).toEqual(['AUTH_REQUIRED', 'AUTH_ACK']);
    await expectAlive();
  });

  it('gets frames of all sizes whole and in order, however they are written together', async () => {
    await gateway();
    const client = await harness.join();
    client.send({ type: 'TOPIC_SUB', topic: 'news' });
    const sizes = [0, 1, 50, 100, 125, 126, 127, 65_000, 65_535, 65_536, 70_000, 300_000, 3, 40_000, 1, 1, 900_000, 2];
    for (const size of sizes) client.send({ type: 'TOPIC_PUB', topic: 'news', payload: encodeValue('x'.repeat(size)) });
    client.send({ type: 'PING', nonce: 1 });
    await client.until('PONG');
    const got = client.messages.flatMap((message) => (message.type === 'TOPIC_MESSAGE' ? [message.payload] : []));
    expect(got.map((payload) => payload.length)).toEqual(sizes.map((size) => encodeValue('x'.repeat(size)).length));
  });

  it('that leaves takes its session along', async () => {
    await gateway();
    const client = await harness.join();
    expect(harness.sessions.size).toBe(1);
    client.ws.terminate();
    await nobodyLeft();
  });

  it('that sends text gets BAD_FRAME, and is closed on the third', async () => {
    await gateway();
    const client = await harness.join();
    for (let i = 0; i < 3; i++) client.ws.send('hello');
    expect(await client.closed()).toMatchObject({ code: 1008 });
    expect(client.messages.filter((message) => message.type === 'ERROR')).toHaveLength(3);
    await expectAlive();
  });

  it('that does not answer the close is cut off all the same', async () => {
    await gateway();
    const raw = await harness.tcp();
    await raw.upgrade();
    raw.write(maskedFrame(2, encodeMessage({ type: 'PING', nonce: 1 })));
    // It never sends a close frame of its own.
    await raw.closed;
    await nobodyLeft();
  }, 10_000);

  it('is admitted up to the number of sessions, and then told to come back', async () => {
    await gateway({ limits: { maxSessions: 1 } });
    const first = await harness.join();
    expect(await harness.open().refused()).toBe(503);
    first.ws.close();
    await first.closed();
    await expectAlive();
  });

  it('is told to come back while the node starts or stops', async () => {
    await gateway();
    harness.accepting = false;
    expect(await harness.open().refused()).toBe(503);
  });
});

describe('the origin of a page', () => {
  const origins = ['https://app.example', 'http://localhost:5173'];

  it.each([
    ['https://evil.example'],
    ['null'],
    ['https://app.example.evil.example'],
    ['https://evil-app.example'],
    ['http://app.example'],
    ['https://app.example:8443'],
    ['https://app.example/'],
    ['https://APP.example'],
    ['https://app.example https://evil.example'],
    [''],
  ])('%j is refused with 403 before the upgrade', async (origin) => {
    await gateway({ origins });
    const raw = await harness.tcp();
    raw.write(upgradeRequest(`Origin: ${origin}\r\n`));
    await raw.closed;
    expect(raw.text).toMatch(/^HTTP\/1\.1 403 /);
    expect(harness.sessions.size).toBe(0);
  });

  it('on the list is let in, and so are clients that are no browsers', async () => {
    await gateway({ origins });
    for (const headers of [{ origin: 'https://app.example' }, {}]) {
      const client = harness.open(headers);
      await client.opened();
      await client.until('AUTH_REQUIRED');
    }
  });

  it('does not matter without a list', async () => {
    await gateway();
    const client = harness.open({ origin: 'https://anything.example' });
    await client.opened();
  });
});

describe('a token in the URL is refused', () => {
  it.each([
    '/?token=abc',
    '/?access_token=abc',
    '/?x=1&AUTH=abc',
    '/?api_key=1',
    '/sync?q=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.sig',
    '/?%74oken=abc',
  ])('as in %s', async (path) => {
    await gateway();
    expect(await harness.open({}, path).refused()).toBe(400);
    expect((await fetch(`http://127.0.0.1:${harness.port}${path}`)).status).toBe(400);
  });

  it('while other parameters are none of our business', async () => {
    await gateway();
    await harness.open({}, '/topgun?v=1').opened();
  });
});

describe('a hostile request', () => {
  it('with 2,000 headers is refused', async () => {
    await gateway();
    const raw = await harness.tcp();
    raw.write(upgradeRequest('a: b\r\n'.repeat(2_000)));
    await raw.closed;
    expect(raw.text).toMatch(/^HTTP\/1\.1 431 /);
    await expectAlive();
  });

  it('with more headers than anybody needs, each small, is refused', async () => {
    await gateway();
    const raw = await harness.tcp();
    raw.write(upgradeRequest('a: b\r\n'.repeat(150)));
    await raw.closed;
    expect(raw.text).toMatch(/^HTTP\/1\.1 431 /);
  });

  it.each([
    ['Sec-WebSocket-Protocol', `a, ${'b'.repeat(40_000)}`],
    ['Sec-WebSocket-Extensions', `permessage-deflate; ${'x=1; '.repeat(10_000)}`],
    ['Cookie', 'c'.repeat(40_000)],
  ])('with a giant %s is refused', async (name, value) => {
    await gateway();
    const raw = await harness.tcp();
    raw.write(upgradeRequest(`${name}: ${value}\r\n`));
    await raw.closed;
    expect(raw.text).not.toContain('101');
    await expectAlive();
  });

  it('for compression or a subprotocol gets neither', async () => {
    await gateway();
    const raw = await harness.tcp();
    await raw.upgrade('Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: mqtt\r\n');
    expect(raw.text).toContain('101 Switching Protocols');
    expect(raw.text.toLowerCase()).not.toContain('permessage-deflate');
    expect(raw.text.toLowerCase()).not.toContain('sec-websocket-protocol');
    raw.socket.destroy();
  });

  it('of another WebSocket version, or without a key, is refused', async () => {
    await gateway();
    for (const broken of [
      upgradeRequest().replace('Version: 13', 'Version: 99'),
      upgradeRequest().replace(/Sec-WebSocket-Key: .*\r\n/, ''),
      upgradeRequest().replace('GET', 'POST'),
    ]) {
      const raw = await harness.tcp();
      raw.write(broken);
      await raw.closed;
      expect(raw.text).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
  });

  it('that comes byte by byte is cut off', async () => {
    await gateway({ limits: { authTimeoutMs: 500 } });
    const raw = await harness.tcp();
    const request = upgradeRequest();
    let at = 0;
    const drip = setInterval(() => raw.write(request[at++ % request.length] ?? ''), 100);
    await raw.closed;
    clearInterval(drip);
    expect(raw.text).not.toContain('101');
  }, 10_000);

  it('that never says anything is cut off', async () => {
    await gateway({ limits: { authTimeoutMs: 500 } });
    await (await harness.tcp()).closed;
  }, 10_000);

  it('that breaks off in the middle of the handshake harms nobody', async () => {
    await gateway();
    for (let i = 0; i < 50; i++) {
      const socket = createConnection(harness.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(upgradeRequest());
      socket.destroy();
    }
    await expectAlive();
  });
});

describe('a hostile frame', () => {
  it('beyond the frame limit is refused by its header with 1009, before its content', async () => {
    await gateway();
    const client = await harness.join();
    client.ws.send(new Uint8Array(8 * 1024 * 1024 + 1));
    expect(await client.closed()).toMatchObject({ code: 1009 });
    await expectAlive();
  });

  it('that claims 4 GiB is refused at once', async () => {
    await gateway();
    const raw = await harness.tcp();
    await raw.upgrade();
    raw.write(maskedFrame(2, new Uint8Array(5), { length: 2 ** 32 }));
    await raw.closed;
    await expectAlive();
  }, 10_000);

  it('in 131,000 fragments of one byte is refused', async () => {
    await gateway();
    const client = await harness.join();
    const raw = (client.ws as unknown as { _socket: { write(data: Uint8Array): void } })._socket;
    const one = new Uint8Array([1]);
    raw.write(maskedFrame(2, one, { fin: false }));
    const rest = Buffer.concat(new Array<Buffer>(1_000).fill(maskedFrame(0, one, { fin: false })));
    for (let i = 0; i < 131; i++) raw.write(rest);
    expect(await client.closed()).toMatchObject({ code: 1008 });
    await expectAlive();
  });

  it('from a stranger may not be large', async () => {
    await gateway({ limits: { authTimeoutMs: 3_600_000 } });
    const raw = await harness.tcp();
    await raw.upgrade();
    raw.write(maskedFrame(2, new Uint8Array(1024), { length: 7 * 1024 * 1024 }));
    for (let i = 0; i < 200; i++) raw.write(new Uint8Array(1024));
    await raw.closed;
    expect(harness.counters.framesIn).toBe(0);
    await expectAlive();
  });

  it.each([
    ['unmasked', Buffer.from([0x82, 1, 0])],
    ['with reserved bits', Buffer.from([0xf2, 0x81, 0, 0, 0, 0, 0])],
    ['of an unknown opcode', maskedFrame(3, new Uint8Array(1))],
    ['of a control type that is fragmented', maskedFrame(9, new Uint8Array(1), { fin: false })],
    ['that continues nothing', maskedFrame(0, new Uint8Array(1))],
    ['that is text and no UTF-8', maskedFrame(1, new Uint8Array([0xff]))],
    ['that closes with a wrong code', maskedFrame(8, new Uint8Array([0, 5]))],
  ])(
    '%s ends the connection',
    async (_, bytes) => {
      await gateway();
      const raw = await harness.tcp();
      await raw.upgrade();
      raw.write(bytes);
      await raw.closed;
      await expectAlive();
    },
    10_000,
  );

  it('of random bytes, hundreds of times, harms nobody', async () => {
    await gateway();
    let seed = 42;
    const random = (): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      return seed / 0x7fffffff;
    };
    for (let i = 0; i < 100; i++) {
      const client = await harness.join(`fuzz-${i}`);
      for (let k = 0; k < 5; k++) {
        client.ws.send(Uint8Array.from({ length: 1 + Math.floor(random() * 60) }, () => Math.floor(random() * 256)));
      }
      await client.closed();
    }
    await expectAlive();
  });
});

describe('a flood', () => {
  it('of pings to a peer that does not read ends its connection only', async () => {
    await gateway();
    const raw = await harness.tcp();
    await raw.upgrade();
    raw.socket.pause();
    const pings = Buffer.concat(new Array<Buffer>(1_000).fill(maskedFrame(9, new Uint8Array(120))));
    let gone = false;
    void raw.closed.then(() => {
      gone = true;
    });
    for (let i = 0; i < 2_000 && !gone; i++) {
      raw.write(pings);
      await new Promise((resolve) => setImmediate(resolve));
    }
    raw.socket.destroy();
    await expectAlive();
  }, 20_000);

  it('of connections that never authenticate is cleared away', async () => {
    await gateway({ limits: { authTimeoutMs: 300 } });
    const clients = Array.from({ length: 200 }, () => harness.open());
    const ends = await Promise.all(clients.map((client) => client.closed()));
    expect(new Set(ends.map((end) => end.code))).toEqual(new Set([4408]));
    await nobodyLeft();
  }, 15_000);

  it('to a reader that has stopped is dropped, while others get everything', async () => {
    await gateway({ limits: { maxSendBufferBytes: 2 * 1024 * 1024 } });
    const slow = await harness.join('slow');
    const fast = await harness.join('fast');
    for (const client of [slow, fast]) client.send({ type: 'TOPIC_SUB', topic: 'news' });
    slow.ws.pause();
    const payload = encodeValue('x'.repeat(60_000));
    for (let i = 0; i < 500; i++) {
      fast.send({ type: 'TOPIC_PUB', topic: 'news', payload });
      if (i % 10 === 9) {
        fast.send({ type: 'PING', nonce: i });
        while (!fast.messages.some((message) => message.type === 'PONG' && message.nonce === i)) {
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }
    expect(fast.messages.filter((message) => message.type === 'TOPIC_MESSAGE')).toHaveLength(500);
    expect(harness.counters.topicDropped).toBeGreaterThan(100);
    slow.ws.terminate();
  }, 20_000);
});

it('a port that is taken is one clear error', async () => {
  await gateway();
  const second = new GatewayHarness();
  await expect(second.gateway.listen(harness.port, '127.0.0.1')).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining(`port ${harness.port} on 127.0.0.1 is in use`),
  });
});

it('requests that are no upgrades go on', async () => {
  await gateway();
  expect(await (await fetch(`http://127.0.0.1:${harness.port}/x`)).text()).toBe('plain');
});
