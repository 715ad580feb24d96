import { type QueryHandle, TopGunClient, type Write } from '@topgunbuild/client';
import { TopGunError } from '@topgunbuild/core';
import type { Action, History, WriteRecord } from '../history/History.js';
import { idOf } from '../history/WireLog.js';
import type { Random } from '../kernel/Random.js';
import { SimProcess } from '../kernel/SimProcess.js';
import type { ClientDisk } from '../world/ClientDisk.js';
import { makeToken } from '../world/tokens.js';
import type { World } from '../world/World.js';
import type { ClientProfile } from './Profile.js';
import { drawQuery, type Item, type QueryShape } from './queries.js';

export interface OpenQuery {
  readonly map: string;
  readonly shape: QueryShape;
  readonly handle: QueryHandle<Item>;
}

/** What one process of a client follows. */
interface Interests {
  readonly items: boolean;
  readonly docs: boolean;
  readonly tags: boolean;
  readonly hits: boolean;
}

/** An application and its device: processes of it come and go, the device's storage stays. */
export class SimClient {
  readonly profile: ClientProfile;
  readonly queries: OpenQuery[] = [];
  interests: Interests = { items: false, docs: false, tags: false, hits: false };
  process: SimProcess | null = null;
  client: TopGunClient | null = null;
  started = false;
  readonly #world: World;
  readonly #history: History;
  readonly #random: Random;
  readonly #disk: ClientDisk | null;
  #wallOffset: number;
  #life = 0;
  #number = 0;
  #heard = new Set<string>();

  constructor(profile: ClientProfile, world: World, disk: ClientDisk | null, random: Random) {
    this.profile = profile;
    this.#world = world;
    this.#history = world.history;
    this.#random = random;
    this.#disk = disk;
    this.#wallOffset = profile.skewMs;
  }

  get isRunning(): boolean {
    return this.client !== null;
  }

  get life(): number {
    return this.#life;
  }

  /** A new process. `interests`: what it follows, drawn when not given. */
  boot(interests?: Interests): void {
    const random = this.#random;
    this.#life++;
    const process = new SimProcess(
      `${this.profile.name}.${this.#life}`,
      this.#world.time,
      random.fork(),
      this.#wallOffset,
    );
    this.process = process;
    this.started = false;
    this.#heard = new Set();
    const client = new TopGunClient({
      ...this.#world.connectOptions(this.profile),
      runtime: process,
      transportPort: this.#world.network.transport(process),
      logger: this.#world.clientLogger(process),
      ...(this.#disk === null ? {} : { storage: this.#disk.adapter(process) }),
      ...(this.profile.fixedId ? { clientId: this.profile.name } : {}),
      ...(this.profile.subject === '' ? {} : { auth: () => this.#token() }),
    });
    this.client = client;
    const alive = (): boolean => process.isAlive;
    client.on('write-rejected', ({ map, key, operation, value, error }) => {
      if (!alive()) return;
      const id = idOf(value);
      if (id !== null) this.#history.rejectedIds.add(id);
      if (operation === 'remove') this.#history.refusedRemovals.add(`${this.profile.name}/${map}/${key}`);
      this.#world.checkRejection(this.profile, error.code, `${operation} ${map}/${key}`);
    });
    client.on('auth-failed', () => {
      if (alive()) process.setTimer(random.between(100, 3_000), () => this.refreshToken());
    });
    void client.start().then(
      () => {
        this.started = true;
      },
      (error: unknown) => this.#onStartFailed(process, error),
    );
    const { role } = this.profile;
    const likely = (p: number): boolean => random.chance(p);
    this.interests = interests ?? {
      items: likely(0.6),
      docs: role !== 'guest' && likely(0.6),
      tags: likely(0.6),
      hits: likely(0.6),
    };
    this.#follow(process, client);
  }

  /** Ends at once, wherever it is. */
  crash(): void {
    const { process } = this;
    if (process === null) return;
    process.kill();
    this.#disk?.crash(process);
    this.#world.network.clientDied(process);
    this.#orphan();
  }

  /** Ends as an application ends that was asked to. */
  async close(): Promise<void> {
    const { client, process } = this;
    if (client === null || process === null) return;
    const closing = client.close();
    this.#orphan();
    await closing;
    // An auth provider that was asked still answers.
    await this.#world.time.sleep(500);
    if (!process.isAlive) return;
    if (process.liveTimers.length > 0)
      this.#history.violate('leak', `${process.name} left ${process.liveTimers.join()}`);
    process.kill();
    this.#world.network.clientDied(process);
  }

  jumpClock(ms: number): void {
    this.#wallOffset += ms;
    this.process?.jump(ms);
  }

  refreshToken(): void {
    const { client, process } = this;
    if (client === null || process?.isAlive !== true || this.profile.subject === '') return;
    client.setAuthToken(this.#makeToken(3_600_000));
  }

  /** One thing that a user does. */
  act(): void {
    const { client, process } = this;
    if (client === null || process === null) return;
    const random = this.#random;
    const { keys } = this.#world.profile;
    const key = random.pick(keys);
    const { role } = this.profile;
    const map = random.chance(0.65) || role === 'guest' ? 'items' : 'docs';
    switch (random.pick(ACTIONS)) {
      case 'set':
        return this.#set(map, key, random.chance(0.15) ? Math.ceil(random.between(500, 15_000)) : 0);
      case 'burst':
        for (let i = 2 + random.int(5); i > 0; i--) this.#set(map, random.pick(keys), 0);
        return;
      case 'remove':
        return this.#remove(map, key);
      case 'add':
        return this.#add(key);
      case 'drop':
        return this.#drop(key);
      case 'count':
        return this.#count(key, random.pick([1, 2, 5, -1, -3]));
      case 'read':
        return this.lookAll();
      case 'query':
        return this.#changeQuery(client, map);
      case 'publish': {
        const id = this.#nextId();
        this.#history.published.add(id);
        client.topic<string>('news').publish(id);
        return;
      }
      case 'wait':
        void client.flush({ timeoutMs: random.between(10, 20_000) }).catch(() => {});
        void client.ready({ timeoutMs: random.between(10, 20_000) }).catch(() => {});
        return;
    }
  }

  /** Looks at everything that it follows, and notes what it sees. */
  lookAll(): void {
    const { keys } = this.#world.profile;
    const { items, docs } = this.interests;
    for (const key of keys) {
      if (items) this.#see('items', key);
      if (docs) this.#see('docs', key);
    }
  }

  /** Sets a value that everybody must see in the end. Returns its id. */
  probe(key: string): string {
    this.#set('items', key, 0);
    return `${this.profile.name}#${this.#number}`;
  }

  // --- writes ------------------------------------------------------------------------------------------------------

  #set(map: string, key: string, ttlMs: number): void {
    const handle = this.#mapHandle(map);
    const own = this.#random.chance(0.85) || this.profile.subject === '';
    const id = this.#nextId();
    const item: Item = { id, n: this.#random.int(10), owner: own ? this.profile.subject : 'somebody-else' };
    const write = this.#guarded(() => handle.set(key, item, ttlMs === 0 ? {} : { ttlMs }));
    if (write === null) return;
    this.#record(write, map, key, 'set', id, 0, ttlMs > 0);
    if (!this.#reads(map)) return;
    const shown = handle.get(key)?.id;
    if (shown !== id) this.#history.violate('6', `${this.process?.name} set ${map}/${key} to ${id} and reads ${shown}`);
    this.#see(map, key);
  }

  #remove(map: string, key: string): void {
    const handle = this.#mapHandle(map);
    const id = this.#nextId();
    const write = this.#guarded(() => handle.remove(key));
    if (write === null) return;
    this.#record(write, map, key, 'remove', id, 0, false);
    if (!this.#reads(map)) return;
    const shown = handle.get(key)?.id;
    if (shown !== undefined)
      this.#history.violate('6', `${this.process?.name} removed ${map}/${key} and reads ${shown}`);
    this.#see(map, key);
  }

  #add(key: string): void {
    const id = this.#nextId();
    const handle = this.#client.getORMap<string>('tags');
    const write = this.#guarded(() => handle.add(key, id));
    if (write === null) return;
    this.#record(write, 'tags', key, 'add', id, 0, false);
    if (this.interests.tags && !handle.get(key).includes(id)) {
      this.#history.violate('6', `${this.process?.name} added ${id} to tags/${key} and does not see it`);
    }
  }

  #drop(key: string): void {
    if (!this.interests.tags) return;
    const handle = this.#client.getORMap<string>('tags');
    const values = handle.get(key);
    if (values.length === 0) return;
    const value = this.#random.pick(values);
    const write = this.#guarded(() => handle.remove(key, value));
    if (write === null) return;
    this.#record(write, 'tags', key, 'drop', value, 0, false);
    if (handle.get(key).includes(value)) {
      this.#history.violate('6', `${this.process?.name} took ${value} from tags/${key} and still sees it`);
    }
  }

  #count(key: string, delta: number): void {
    const counter = this.#client.getCounter('hits', key);
    const before = this.interests.hits ? counter.value : 0;
    const write = this.#guarded(() => (delta > 0 ? counter.increment(delta) : counter.decrement(-delta)));
    if (write === null) return;
    this.#record(write, 'hits', key, 'count', this.#nextId(), delta, false);
    if (this.interests.hits && counter.value !== before + delta) {
      this.#history.violate('6', `${this.process?.name} added ${delta} to ${before} and reads ${counter.value}`);
    }
  }

  /** What a map says to a write of another kind is no violation. */
  #guarded(write: () => Write): Write | null {
    try {
      return write();
    } catch (error) {
      if (error instanceof TopGunError && error.code === 'KIND_MISMATCH') return null;
      throw error;
    }
  }

  #record(write: Write, map: string, key: string, action: Action, id: string, delta: number, ttl: boolean): void {
    const { process } = this;
    const record: WriteRecord = {
      client: this.profile.name,
      life: this.#life,
      number: this.#number,
      map,
      key,
      action,
      id,
      delta,
      ttl,
      persisted: false,
      acked: false,
      rejected: null,
      orphaned: false,
    };
    this.#history.writes.push(record);
    this.#world.trace(() => `${process?.name} ${action} ${map}/${key} ${id} ${delta}`);
    const noting = (note: () => void) => () => {
      if (process?.isAlive === true && this.process === process) note();
    };
    write.persisted.then(
      noting(() => {
        record.persisted = this.#disk !== null;
      }),
      () => {},
    );
    write.acked.then(
      noting(() => {
        record.acked = true;
      }),
      (error: unknown) => {
        if (process?.isAlive === true) record.rejected = error instanceof TopGunError ? error.code : 'INTERNAL';
      },
    );
  }

  // --- reads -------------------------------------------------------------------------------------------------------

  #reads(map: string): boolean {
    return map === 'items' ? this.interests.items : this.interests.docs;
  }

  #see(map: string, key: string): void {
    const item = this.#mapHandle(map).get(key);
    this.#note(map, key, item);
  }

  #note(map: string, key: string, item: Item | undefined): void {
    const { name } = this.profile;
    this.#history.see(`${name}.${this.#life}/${map}/${key}`, this.#world.time.now, item?.id ?? null);
    const foreign = map === 'docs' && this.profile.role === 'user' && item !== undefined;
    if (foreign && item.owner !== this.profile.subject && !item.id.startsWith(`${name}#`)) {
      this.#history.violate('9', `${name} of ${this.profile.subject} sees ${item.id} of ${item.owner}`);
    }
  }

  #follow(process: SimProcess, client: TopGunClient): void {
    for (const map of ['items', 'docs']) {
      if (!this.#reads(map)) continue;
      client.getMap<Item>(map).subscribe(({ changes }) => {
        if (!process.isAlive) return;
        for (const { key, value } of changes) this.#note(map, key, value);
      });
    }
    if (this.interests.tags) client.getORMap('tags').subscribe(() => {});
    if (this.interests.hits)
      for (const key of this.#world.profile.keys) client.getCounter('hits', key).subscribe(() => {});
    client.topic<string>('news').subscribe((id) => {
      if (!process.isAlive) return;
      const isRepeated = this.#heard.has(id) && this.#world.hearsOnce(this.profile);
      if (isRepeated) this.#history.violate('topic', `${process.name} heard ${id} twice`);
      if (!this.#history.published.has(id))
        this.#history.violate('topic', `${process.name} heard ${id}, which nobody said`);
      this.#heard.add(id);
    });
  }

  #changeQuery(client: TopGunClient, map: string): void {
    const random = this.#random;
    const closing = this.queries.length > 2 || (this.queries.length > 0 && random.chance(0.4));
    if (closing) {
      const [query] = this.queries.splice(random.int(this.queries.length), 1);
      query?.handle.close();
      return;
    }
    const shape = drawQuery(random, this.#world.profile.keys);
    const handle = client.query<Item>(map, shape.query as never);
    handle.subscribe(() => {});
    this.queries.push({ map, shape, handle });
  }

  // --- inside ------------------------------------------------------------------------------------------------------

  get #client(): TopGunClient {
    if (this.client === null) throw new Error('not running');
    return this.client;
  }

  #mapHandle(map: string) {
    return this.#client.getMap<Item>(map);
  }

  #nextId(): string {
    return `${this.profile.name}#${++this.#number}`;
  }

  async #token(): Promise<string> {
    const { faults, profile } = this.#world;
    if (faults.authDown && this.#random.chance(0.5)) throw new Error('simulated: no token today');
    await this.process?.after(this.#random.wait(20));
    return this.#makeToken(profile.tokenMs * this.#random.between(0.5, 1));
  }

  #makeToken(lifeMs: number): string {
    const { subject, role } = this.profile;
    return makeToken(subject, [role], this.#world.nodeNow() + lifeMs);
  }

  #orphan(): void {
    for (const write of this.#history.writes) {
      if (write.client !== this.profile.name || write.life !== this.#life) continue;
      if (!write.acked && write.rejected === null) write.orphaned = true;
    }
    this.queries.length = 0;
    this.client = null;
    this.process = null;
    this.started = false;
  }

  #onStartFailed(process: SimProcess, error: unknown): void {
    if (!process.isAlive || this.process !== process) return;
    const code = error instanceof TopGunError ? error.code : null;
    if (code !== 'STORAGE_FAILED') this.#history.violate('start', `${process.name} did not start: ${String(error)}`);
    // An application that cannot open its storage is started again by its user.
    this.crash();
    this.#world.time.at(500, () => {
      if (!this.isRunning) this.boot();
    });
  }
}

const ACTIONS = [
  ...Array<'set'>(6).fill('set'),
  'burst',
  'remove',
  'remove',
  'remove',
  'add',
  'add',
  'add',
  'drop',
  'drop',
  'count',
  'count',
  'count',
  'read',
  'read',
  'query',
  'query',
  'publish',
  'wait',
] as const;
