import type { TopGunClient, TopGunClientOptions, WriteRejection } from '@topgunbuild/client';
import { describe, expect, it } from 'vitest';
import { eventually } from './support/eventually.js';
import { startClient } from './support/openClient.js';
import { startCluster } from './support/startCluster.js';
import { startServer } from './support/startServer.js';
import { TcpProxy } from './support/TcpProxy.js';

interface Task {
  readonly n: number;
  readonly done: boolean;
  readonly owner: string;
  readonly tags?: readonly string[];
}

/** Where an application runs: the only thing that differs from one to the other. */
interface Place {
  readonly options: TopGunClientOptions;
  /** To each server. */
  readonly proxies: readonly TcpProxy[];
}

const WAIT = { timeoutMs: 20_000 };
const TASKS = 120;
/** Clocks of two clients of one machine differ by less. */
const CLOCKS_MS = 1_000;

const TOP = { where: { done: false }, sort: { n: 'desc' }, limit: 5, offset: 1 } as const;
const QUERIES = {
  top: TOP,
  mine: { where: { owner: 'bob', n: { $gte: 30, $lt: 60 } }, sort: { n: 'asc' } },
  either: { where: { $or: [{ done: true, n: { $gt: 90 } }, { owner: 'nobody' }] }, sort: { n: 'asc' } },
  pinned: { where: { _key: { $in: ['task7', 'task8', 'task119', 'offline-bob'] } }, sort: { n: 'asc' } },
  named: { where: { _key: { $startsWith: 'offline-' } }, sort: { n: 'asc' } },
  tagged: { where: { tags: { $contains: 'late' } }, sort: { n: 'desc' }, limit: 2 },
} as const;

/** Everything that the data of this application is, as one client sees it. */
async function stateOf(client: TopGunClient): Promise<unknown> {
  const tasks = client.getMap<Task>('tasks');
  const labels = client.getORMap<string>('labels');
  await Promise.all([tasks.synced(WAIT), labels.synced(WAIT)]);
  const results: Record<string, unknown> = {};
  for (const [name, query] of Object.entries(QUERIES)) {
    const handle = client.query<Task>('tasks', query);
    await handle.complete(WAIT);
    results[name] = handle.rows.map(({ key }) => key);
    handle.close();
  }
  const counts = ['done', 'visits', 'never'].map((key) => client.getCounter('counts', key));
  await Promise.all(counts.map((counter) => counter.synced(WAIT)));
  return {
    tasks: Object.fromEntries(tasks.entries()),
    labels: Object.fromEntries(['x', 'y', 'z', 'empty'].map((key) => [key, [...labels.get(key)].sort()])),
    counts: counts.map(({ value }) => value),
    queries: results,
  };
}

/** The application: two clients who work online and offline, and a third one who comes when all is done. */
async function application({ options, proxies }: Place): Promise<unknown> {
  const rejected: WriteRejection[] = [];
  const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((clientId) => {
    const client = startClient({ ...options, clientId });
    client.on('write-rejected', (rejection) => rejected.push(rejection));
    return client;
  }) as [TopGunClient, TopGunClient, TopGunClient];
  const both = [alice, bob];
  const [tasks, bobs] = [alice.getMap<Task>('tasks'), bob.getMap<Task>('tasks')];
  const [labels, bobsLabels] = [alice.getORMap<string>('labels'), bob.getORMap<string>('labels')];

  // Before there is any connection.
  for (let n = 0; n < TASKS; n++) tasks.set(`task${n}`, { n, done: n % 3 === 0, owner: n % 2 === 0 ? 'alice' : 'bob' });
  alice.getCounter('counts', 'done').increment(40);
  await Promise.all(both.map((client) => client.start()));
  await Promise.all(both.map((client) => client.ready(WAIT)));
  await alice.flush(WAIT);

  // Together, live.
  const top = bob.query<Task>('tasks', TOP);
  const seen: string[][] = [];
  top.subscribe((rows) => seen.push(rows.map(({ key }) => key)));
  await top.complete(WAIT);
  const beginning = seen.at(-1);
  for (let n = 110; n < 120; n++) tasks.update(`task${n}`, (old) => ({ ...(old as Task), done: n !== 115 }));
  tasks.remove('task107');
  await eventually('the window has moved', () => seen.at(-1)?.[0] === 'task109');
  const moved = seen.at(-1);
  for (const label of ['red', 'blue', 'green']) labels.add('x', label);
  labels.add('y', 'first');
  for (let n = 0; n < 25; n++) bob.getCounter('counts', 'visits').increment(2);
  await Promise.all(both.map((client) => client.flush(WAIT)));
  await eventually('bob sees the labels', () => bobsLabels.get('x').length === 3);
  await eventually('alice sees the visits', () => alice.getCounter('counts', 'visits').value === 50);

  // Messages are for those who listen.
  const heard: unknown[] = [];
  bob.topic<{ n: number }>('news').subscribe(({ n }) => heard.push(n));
  await eventually('bob listens', () => {
    if (heard.length === 0) alice.topic('news').publish({ n: 0 });
    return heard.length > 0;
  });
  for (let n = 1; n <= 20; n++) alice.topic('news').publish({ n });
  await eventually('bob has heard everything', () => heard.at(-1) === 20);

  // Each on their own, with what they have read before.
  await bobs.synced(WAIT);
  for (const proxy of proxies) proxy.way = 'cut';
  await eventually('nobody is online', () => both.every(({ status }) => status !== 'online'));
  tasks.set('both', { n: 1_000, done: false, owner: 'alice' });
  tasks.set('offline-alice', { n: 500, done: true, owner: 'alice', tags: ['late', 'new'] });
  for (let n = 0; n < 30; n++) tasks.set('task7', { n: 700 + n, done: false, owner: 'nobody' });
  tasks.remove('task8');
  labels.remove('x', 'red');
  labels.add('z', 'from alice');
  labels.remove('y', 'first');
  alice.getCounter('counts', 'done').decrement(7);
  const cutAt = performance.now();
  await eventually('bob is later by any clock', () => performance.now() - cutAt > CLOCKS_MS);
  bobs.set('both', { n: 2_000, done: false, owner: 'bob', tags: ['late'] });
  bobs.set('offline-bob', { n: 501, done: false, owner: 'bob', tags: ['late'] });
  bobs.set('task9', { n: 9, done: false, owner: 'nobody' });
  bobsLabels.add('x', 'red');
  bobsLabels.remove('x', 'blue');
  bob.getCounter('counts', 'done').increment(3);
  bob.getCounter('counts', 'visits').decrement();
  const offline = {
    pending: both.every(({ pendingWrites }) => pendingWrites > 0),
    alice: [tasks.get('both')?.owner, tasks.get('task7')?.n, tasks.has('task8'), labels.get('x').sort()],
    bob: [bobs.get('both')?.owner, bobs.get('task7')?.n, bobs.has('task8'), bobsLabels.get('x').sort()],
    visits: [alice, bob].map((client) => client.getCounter('counts', 'visits').value),
  };

  // And together again.
  for (const proxy of proxies) proxy.way = 'open';
  await Promise.all(both.map((client) => client.ready({ timeoutMs: 60_000 })));
  await Promise.all(both.map((client) => client.flush({ timeoutMs: 60_000 })));
  await eventually('alice sees what bob did', () => tasks.get('both')?.owner === 'bob' && tasks.has('offline-bob'));
  await eventually('bob sees what alice did', () => bobs.has('offline-alice') && !bobs.has('task8'));
  await eventually('both see the labels', () =>
    [labels, bobsLabels].every((of) => of.get('x').length === 2 && of.get('z').length === 1 && !of.has('y', 'first')),
  );
  await eventually('both see the counts', () =>
    both.every(
      (client) => client.getCounter('counts', 'done').value + client.getCounter('counts', 'visits').value === 85,
    ),
  );
  await eventually('the window is that of everything', () => seen.at(-1)?.[0] === 'task7');
  await carol.start();
  await carol.ready(WAIT);
  // Carol has not seen that this is a counter.
  const refusal = await carol
    .getMap('counts')
    .set('visits', 'a text')
    .acked.then(
      () => null,
      (error: unknown) => (error as { code?: unknown }).code,
    );
  return {
    beginning,
    moved,
    window: seen.at(-1),
    heard: [...new Set(heard)],
    offline,
    refusal,
    rejected: rejected.map(({ map, key, value, error }) => [map, key, value, error.code]),
    pending: [alice, bob, carol].map(({ pendingWrites }) => pendingWrites),
    alice: await stateOf(alice),
    bob: await stateOf(bob),
    carol: await stateOf(carol),
  };
}

/** What must come of it, by hand. */
function expected(): unknown {
  const tasks: Record<string, Task> = {};
  for (let n = 0; n < TASKS; n++) {
    const done = n >= 110 ? n !== 115 : n % 3 === 0;
    tasks[`task${n}`] = { n, done, owner: n % 2 === 0 ? 'alice' : 'bob' };
  }
  delete tasks.task107;
  delete tasks.task8;
  tasks.task7 = { n: 729, done: false, owner: 'nobody' };
  tasks.task9 = { n: 9, done: false, owner: 'nobody' };
  tasks.both = { n: 2_000, done: false, owner: 'bob', tags: ['late'] };
  tasks['offline-alice'] = { n: 500, done: true, owner: 'alice', tags: ['late', 'new'] };
  tasks['offline-bob'] = { n: 501, done: false, owner: 'bob', tags: ['late'] };
  const state = {
    tasks,
    labels: { x: ['green', 'red'], y: [], z: ['from alice'], empty: [] },
    counts: [36, 49, 0],
    queries: {
      top: ['task7', 'offline-bob', 'task115', 'task109', 'task106'],
      mine: Array.from({ length: 15 }, (_, index) => `task${31 + 2 * index}`),
      either: [
        'task9',
        ...[93, 96, 99, 102, 105, 108, 110, 111, 112, 113, 114, 116, 117, 118, 119].map((n) => `task${n}`),
        'offline-alice',
        'task7',
      ],
      pinned: ['task119', 'offline-bob', 'task7'],
      named: ['offline-alice', 'offline-bob'],
      tagged: ['both', 'offline-bob'],
    },
  };
  return {
    beginning: ['task118', 'task116', 'task115', 'task113', 'task112'],
    moved: ['task109', 'task106', 'task104', 'task103', 'task101'],
    window: state.queries.top,
    heard: Array.from({ length: 21 }, (_, n) => n),
    offline: {
      pending: true,
      alice: ['alice', 729, false, ['blue', 'green']],
      bob: ['bob', 7, true, ['green', 'red']],
      visits: [50, 49],
    },
    refusal: 'KIND_MISMATCH',
    rejected: [['counts', 'visits', 'a text', 'KIND_MISMATCH']],
    pending: [0, 0, 0],
    alice: state,
    bob: state,
    carol: state,
  };
}

async function singleServer(): Promise<Place> {
  const { port } = await startServer(['--memory', '--no-auth']);
  const proxy = await TcpProxy.start(port);
  return { options: { url: proxy.url }, proxies: [proxy] };
}

async function cluster(smartRouting: boolean): Promise<Place> {
  const { nodes } = await startCluster();
  const proxies = await Promise.all(nodes.map(({ url }) => TcpProxy.start(Number(new URL(url).port))));
  const endpointMapper = (_endpoint: string, nodeId: string): string =>
    proxies[nodes.findIndex(({ id }) => id === nodeId)]?.url ?? '';
  return { options: { cluster: { seeds: proxies.map(({ url }) => url), smartRouting, endpointMapper } }, proxies };
}

describe('the same application, with edits made offline, ends in the same state', { timeout: 120_000 }, () => {
  it('on a single server', async () => {
    expect(await application(await singleServer())).toEqual(expected());
  });

  it('on a single server, for a client that takes it for a cluster', async () => {
    const { options, proxies } = await singleServer();
    const place = {
      options: { cluster: { seeds: [options.url ?? ''], endpointMapper: () => options.url ?? '' } },
      proxies,
    };
    expect(await application(place)).toEqual(expected());
  });

  it('on a cluster, with a client that routes', async () => {
    const place = await cluster(true);
    expect(await application(place)).toEqual(expected());
    expect(place.proxies.every(({ connections }) => connections > 0)).toBe(true);
  });

  it('on a cluster, with a client that leaves routing to one node', async () => {
    expect(await application(await cluster(false))).toEqual(expected());
  });
});
