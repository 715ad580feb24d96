import { headers } from '@nats-io/transport-node';
import { TopGunError } from '@topgunbuild/core';
import { checkedKey } from '../names.js';
import type { Registry, RegistryEntry, RegistryWatcher, Watch } from '../Registry.js';
import { Follower, type FollowerEnvironment } from './Follower.js';
import { headerOf, type StoredMessage } from './jetStreamTypes.js';
import type { NatsLayout } from './NatsLayout.js';

const OPERATION = 'KV-Operation';
const WATCH_BEGINS_WITHIN_MS = 5_000;

/** The layout of NATS's key-value buckets: a message a key, a deletion is a message that says so. */
export class NatsRegistry implements Registry {
  readonly #env: FollowerEnvironment;
  readonly #layout: NatsLayout;
  readonly #watches = new Set<Follower>();

  constructor(env: FollowerEnvironment, layout: NatsLayout) {
    this.#env = env;
    this.#layout = layout;
  }

  async get(key: string): Promise<RegistryEntry | null> {
    const message = await this.#last(key);
    return message === null || isDeletion(message) ? null : { value: message.data, revision: message.seq };
  }

  async compareAndSet(key: string, value: Uint8Array, revision: number): Promise<number | null> {
    const { js } = this.#env;
    const subject = this.#subject(key);
    const set = await js.publishQuickly(subject, value, revision);
    if (set !== null || revision !== 0) return set;
    // It may have been there once.
    const last = await this.#last(key);
    return last !== null && isDeletion(last) ? js.publishQuickly(subject, value, last.seq) : null;
  }

  async delete(key: string, revision: number): Promise<boolean> {
    if (revision === 0) return false;
    const more = headers();
    more.set(OPERATION, 'DEL');
    return (await this.#env.js.publishQuickly(this.#subject(key), new Uint8Array(), revision, more)) !== null;
  }

  async watch(prefix: string, watcher: RegistryWatcher): Promise<Watch> {
    const { js, runtime } = this.#env;
    const stream = this.#layout.registryStream;
    // Wildcards stand for whole tokens: what does not begin with the prefix is passed over here.
    const filter = `${this.#layout.registrySubject}>`;
    const present = (await js.last(stream, filter))?.seq ?? 0;
    const told = new Set<string>();
    return new Promise((resolve, reject) => {
      let isBegun = false;
      const follower = new Follower(this.#env, {
        stream,
        filter,
        from: 'last',
        onMessage: ({ subject, seq, operation, data }) => {
          const key = subject.slice(this.#layout.registrySubject.length);
          const isDeleted = operation !== null;
          if (key.startsWith(prefix) && (!isDeleted || told.has(key))) {
            if (isDeleted) told.delete(key);
            else told.add(key);
            watcher(key, isDeleted ? null : { value: data, revision: seq });
          }
          if (seq >= present) begin();
          return true;
        },
      });
      this.#watches.add(follower);
      const close = (): void => {
        follower.close();
        this.#watches.delete(follower);
      };
      const timer = runtime.setTimer(WATCH_BEGINS_WITHIN_MS, () => {
        close();
        reject(new TopGunError('UNAVAILABLE', 'NATS does not tell what the registry holds. Try again soon.'));
      });
      const begin = (): void => {
        if (isBegun) return;
        isBegun = true;
        runtime.clearTimer(timer);
        resolve({ close });
      };
      if (present === 0) begin();
    });
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
  }

  #last(key: string): Promise<StoredMessage | null> {
    return this.#env.js.last(this.#layout.registryStream, this.#subject(key));
  }

  #subject(key: string): string {
    return this.#layout.registrySubject + checkedKey(key);
  }
}

function isDeletion(message: StoredMessage): boolean {
  return headerOf(message.headers, OPERATION) !== undefined;
}
