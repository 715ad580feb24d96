import type { Logger, TopGunClientOptions } from '@topgunbuild/client';
import {
  type ClientMessage,
  decodeClientMessage,
  decodeServerMessage,
  decodeValue,
  EntryBatch,
  type ErrorCode,
  type ServerMessage,
  Tag,
} from '@topgunbuild/core';
import type { Peer } from '../../../packages/server/src/session/Peer.js';
import { History } from '../history/History.js';
import type { Random } from '../kernel/Random.js';
import type { SimProcess } from '../kernel/SimProcess.js';
import { VirtualTime } from '../kernel/VirtualTime.js';
import type { ClientProfile, Profile } from '../workload/Profile.js';
import { SimClient } from '../workload/SimClient.js';
import { ClientDisk } from './ClientDisk.js';
import { Faults } from './Faults.js';
import type { Acceptance, Link } from './Link.js';
import { Network } from './Network.js';

export type Tracer = (line: string) => void;

/** Servers, their clients, the clients' disks and the network between them. */
export abstract class World {
  readonly profile: Profile;
  readonly random: Random;
  readonly time: VirtualTime;
  readonly faults = new Faults();
  readonly history = new History();
  readonly network: Network;
  readonly clients: SimClient[] = [];
  /** For what the servers keep. */
  protected readonly storageRandom: Random;
  readonly #tracer: Tracer | null;

  constructor(profile: Profile, random: Random, tracer: Tracer | null) {
    this.profile = profile;
    this.random = random;
    this.#tracer = tracer;
    this.time = new VirtualTime(random.fork(), (error) => this.history.violate('exception', describe(error)));
    this.storageRandom = random.fork();
    this.network = new Network({
      time: this.time,
      random: random.fork(),
      faults: this.faults,
      acceptor: { accept: (peer, endpoint, client) => this.accept(peer, endpoint, client) },
      tap: {
        sentUp: (link, frame) => {
          this.history.wire.onUp(link, frame);
          this.trace(() => `link ${link.id} ${link.client.name} > ${upText(frame)}`);
        },
        arrivedUp: (link, frame) => this.trace(() => `link ${link.id} ${link.client.name} >> ${upText(frame)}`),
        sentDown: (link, frame) => {
          this.history.wire.onDown(link, frame);
          this.sentDown(link, frame);
          this.trace(() => `link ${link.id} ${link.client.name} < ${downText(frame)}`);
        },
        arrivedDown: (link, frame) => this.trace(() => `link ${link.id} ${link.client.name} << ${downText(frame)}`),
      },
    });
    for (const client of profile.clients) this.addClient(client);
  }

  addClient(profile: ClientProfile): SimClient {
    const disk = profile.durable ? new ClientDisk(this.random.fork(), this.faults) : null;
    const client = new SimClient(profile, this, disk, this.random.fork());
    this.clients.push(client);
    return client;
  }

  /** Who answers when a client calls `endpoint`. */
  protected abstract accept(peer: Peer, endpoint: string, client: SimProcess): Acceptance;

  /** A frame leaves a server. */
  protected sentDown(_link: Link, _frame: Uint8Array): void {}

  /** How this client finds its servers. */
  abstract connectOptions(client: ClientProfile): Pick<TopGunClientOptions, 'url' | 'cluster'>;

  /** Whether no message of a topic can come to this client by two servers, one after the other. */
  hearsOnce(_client: ClientProfile): boolean {
    return true;
  }

  /** What servers take for the time. */
  abstract nodeNow(): number;

  /** The time by which nodes judge data. */
  abstract dataNow(): number;

  /** Every row of `map` as its owner has it, tombstones included. */
  abstract rows(map: string): EntryBatch[];

  /** All servers that are to run do, and serve. */
  abstract get isServing(): boolean;

  /** What the servers have to say when they do not serve. */
  abstract get problem(): string;

  /** Ends what is broken by the servers' own state, and starts those that do not run. */
  abstract heal(): void;

  // --- what is heard -----------------------------------------------------------------------------------------------

  trace(line: () => string): void {
    this.#tracer?.(`${this.time.now.toFixed(3)} ${line()}`);
  }

  clientLogger(process: SimProcess): Logger {
    return {
      debug: () => {},
      info: () => {},
      warn: (details, message) => this.trace(() => `${process.name} warns: ${message} ${tell(details)}`),
      error: (details, message) => {
        this.trace(() => `${process.name} error: ${message} ${tell(details)}`);
        if (message.startsWith('The local storage failed')) return;
        if (process.isAlive) this.history.violate('exception', `${process.name}: ${message} ${tell(details)}`);
      },
    };
  }

  /** Refusals that nothing in the run explains are a fault of the product. */
  checkRejection(client: ClientProfile, code: ErrorCode, what: string): void {
    const { rules, shortRetention, chaos } = this.profile;
    const isExplained =
      (code === 'FORBIDDEN' && rules !== null && client.role !== 'admin') ||
      (code === 'STALE_OP' && shortRetention) ||
      (code === 'CLOCK_DRIFT' && chaos.has('nodeClockJump'));
    if (!isExplained) this.history.violate('2', `${client.name}: ${what} was refused with ${code}`);
  }

  protected nodeLogger(process: SimProcess): Logger {
    return {
      debug: () => {},
      info: () => {},
      warn: (details, message) => this.trace(() => `${process.name} warns: ${message} ${tell(details)}`),
      error: (details, message) => {
        this.trace(() => `${process.name} error: ${message} ${tell(details)}`);
        if (process.isAlive) this.history.violate('exception', `${process.name}: ${message} ${tell(details)}`);
      },
    };
  }
}

export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 6).join(' | ') : String(error);
}

function tell(details: object): string {
  return Object.entries(details)
    .map(([name, value]) => `${name}=${value instanceof Error ? describe(value) : JSON.stringify(value)}`)
    .join(' ');
}

/** The content of a frame, in short. */
function upText(frame: Uint8Array): string {
  return messageText(decodeClientMessage(frame.slice()));
}

function downText(frame: Uint8Array): string {
  return messageText(decodeServerMessage(frame.slice()));
}

function messageText(message: ClientMessage | ServerMessage): string {
  const { type, ...fields } = message;
  const parts = Object.entries(fields).map(([name, value]) => {
    if (value instanceof EntryBatch) return `${name}: ${rowsText(value)}`;
    return name === 'limits' || name === 'token' ? name : `${name}: ${JSON.stringify(value)}`;
  });
  return `${type} ${parts.join(', ')}`;
}

function rowsText(rows: EntryBatch): string {
  return Array.from({ length: rows.count }, (_, index) => {
    const stamp = `${rows.ms[index]}.${rows.counters[index]}@${rows.replicas[index]}`;
    const expires = rows.expires[index] === 0 ? '' : ` until ${rows.expires[index]}`;
    const isValue = rows.tags[index] === Tag.LWW_SET || rows.tags[index] === Tag.OR_ADD;
    const bytes = rows.bytes(index).slice();
    const value = isValue ? JSON.stringify(decodeValue(bytes)) : Buffer.from(bytes).toString('hex');
    return `\n      tag ${rows.tags[index]} ${rows.maps[index]}/${rows.keys[index]} ${stamp}${expires} ${value}`;
  }).join('');
}
