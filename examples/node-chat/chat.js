/**
 * A chat for terminals. Messages are records of a map, so they can be written and read offline; who comes and goes is
 * told on a topic, which keeps nothing; how many messages a room ever had is a counter. See README.md.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LmdbAdapter } from '@topgunbuild/adapters/lmdb';
import { TopGunClient } from '@topgunbuild/client';
import { Screen } from './screen.js';

const { values: options } = parseArgs({
  options: {
    name: { type: 'string' },
    room: { type: 'string', default: 'lobby' },
    url: { type: 'string', default: 'ws://127.0.0.1:8080' },
    token: { type: 'string', default: process.env.TOKEN },
    data: { type: 'string' },
  },
});
const { name, room, url, token } = options;
if (!name || !/^\w{1,32}$/.test(name)) {
  console.error('Usage: node chat.js --name ann [--room lobby] [--url ws://127.0.0.1:8080] [--token JWT] [--data DIR]');
  process.exit(2);
}

const client = new TopGunClient({
  url,
  storage: new LmdbAdapter({ path: options.data ?? fileURLToPath(new URL(`topgun-data/${name}`, import.meta.url)) }),
  ...(token ? { auth: token } : {}),
});
const screen = new Screen();
const showStatus = () => screen.status(`${name}@${room} · ${client.status} · ${client.pendingWrites} pending`);

client.on('status', (status) => {
  showStatus();
  if (status !== 'online') return;
  client.topic(`chat/${room}`).publish({ name, event: 'is here' });
  // What was written offline, perhaps by an earlier run, goes out now.
  client.flush().then(showStatus, () => undefined);
});
client.on('auth-failed', (error) => screen.print(`* the server refuses the token: ${error.message}`));
client.on('write-rejected', ({ value, error }) => screen.print(`* not accepted (${error.code}): ${value?.text ?? ''}`));
await client.start();
showStatus();

const messages = client.getMap('chat');
const sent = client.getCounter('chat-totals', room);
const shown = new Set();

// Rows come from this machine at once, and from everybody else as they are written.
const conversation = client.query('chat', { where: { room }, sort: { at: 'asc' } });
conversation.subscribe((rows) => {
  for (const { key, value } of rows) {
    if (shown.has(key)) continue;
    shown.add(key);
    screen.print(`${value.name}: ${value.text}`);
  }
});
client.topic(`chat/${room}`).subscribe((message) => {
  if (message.name !== name) screen.print(`* ${message.name} ${message.event}`);
});

async function total() {
  const isCurrent = await sent.synced({ timeoutMs: 2_000 }).then(
    () => true,
    () => false,
  );
  screen.print(`* ${sent.value} messages so far${isCurrent ? '' : ', as far as this machine knows'}`);
}

for await (const line of screen.lines()) {
  const text = line.trim();
  if (text === '/total') await total();
  if (text === '/quit') break;
  if (text === '' || text.startsWith('/')) continue;
  const at = new Date();
  const write = messages.set(`${room}/${at.toISOString()}/${name}/${Math.random().toString(36).slice(2, 8)}`, {
    room,
    name,
    text,
    at,
  });
  sent.increment();
  showStatus();
  // What is on this machine's disk is not lost; the server has it when it is acked, now or after a restart.
  write.persisted.then(
    () => client.status === 'online' || screen.print('* kept on this machine until the server is back'),
    (error) => screen.print(`* cannot be kept on this machine: ${error.message}`),
  );
  write.acked.then(showStatus, showStatus);
}

client.topic(`chat/${room}`).publish({ name, event: 'left' });
await client.flush({ timeoutMs: 2_000 }).catch(() => undefined);
if (client.pendingWrites > 0)
  screen.print(`* ${client.pendingWrites} writes wait for the server; they go out next time`);
await client.close();
screen.close();
