import type { Logger } from '@topgunbuild/client';
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
import { History } from '../history/History.js';
import type { Random } from '../kernel/Random.js';
import { EPOCH_MS, SimProcess } from '../kernel/SimProcess.js';
import { VirtualTime } from '../kernel/VirtualTime.js';
import type { ClientProfile, Profile } from '../workload/Profile.js';
import { SimClient } from '../workload/SimClient.js';
import { ClientDisk } from './ClientDisk.js';
import { Faults } from './Faults.js';
import { Network } from './Network.js';
import { ServerDisk } from './ServerDisk.js';
import { SimNode } from './SimNode.js';

export type Tracer = (line: string) => void;

/** One node, its clients, their disks and the network between them. */
export class World {
  readonly profile: Profile;
  readonly random: Random;
  readonly time: VirtualTime;
  readonly faults = new Faults();
  readonly history = new History();
  readonly network: Network;
  readonly disk: ServerDisk;
  readonly clients: SimClient[] = [];
  node: SimNode | null = null;
  readonly #tracer: Tracer | null;
  #nodeWallOffset = 0;
  #starts = 0;

  constructor(profile: Profile, random: Random, tracer: Tracer | null) {
    this.profile = profile;
    this.random = random;
    this.#tracer = tracer;
    this.time = new VirtualTime(random.fork(), (error) => this.history.violate('exception', describe(error)));
    this.disk = new ServerDisk(this.time, random.fork(), this.faults);
    this.network = new Network({
      time: this.time,
      random: random.fork(),
      faults: this.faults,
      acceptor: { accept: (peer) => this.node?.accept(peer) ?? null },
      tap: {
        sentUp: (link, frame) => {
          this.history.wire.onUp(link, frame);
          this.trace(() => `link ${link.id} ${link.client.name} > ${upText(frame)}`);
        },
        arrivedUp: (link, frame) => this.trace(() => `link ${link.id} ${link.client.name} >> ${upText(frame)}`),
        sentDown: (link, frame) => {
          this.history.wire.onDown(link, frame);
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

  // --- the node ----------------------------------------------------------------------------------------------------

  /** The node's wall clock, whether it runs or not. */
  nodeNow(): number {
    return Math.floor(EPOCH_MS + this.time.now + this.#nodeWallOffset);
  }

  jumpNodeClock(ms: number): void {
    this.#nodeWallOffset += ms;
    this.node?.process.jump(ms);
  }

  startNode(): void {
    if (this.node !== null) return;
    const process = new SimProcess(`node.${++this.#starts}`, this.time, this.random.fork(), this.#nodeWallOffset);
    const node = new SimNode(process, this.disk, this.faults, this.profile, this.#nodeLogger(process));
    this.node = node;
    this.trace(() => `${process.name} starts`);
    node.start().catch((error: unknown) => {
      this.trace(() => `${process.name} did not start: ${describe(error)}`);
      if (this.node !== node) return;
      const isDisk = this.faults.appendFails > 0 || this.faults.diskFull;
      if (!isDisk) this.history.violate('start', `${process.name} did not start: ${describe(error)}`);
      // The service manager tries again.
      this.crashNode();
      this.time.at(1_000, () => this.startNode());
    });
  }

  crashNode(): void {
    const { node } = this;
    if (node === null) return;
    this.node = null;
    this.trace(() => `${node.process.name} is killed`);
    node.process.kill();
    this.disk.crash(node.process);
    this.network.serverDied(node.process);
  }

  /** Stops the node as SIGTERM does; a node that takes too long is killed. */
  async stopNode(checkLeaks = true): Promise<void> {
    const { node } = this;
    if (node === null) return;
    if (!node.isServing) return this.crashNode();
    const { process } = node;
    const how = await Promise.race([node.stop(), this.time.sleep(12_000)]);
    if (!process.isAlive) return;
    await this.time.sleep(50);
    if (checkLeaks && how === 'closed' && process.liveTimers.length > 0 && node.sessionCount === 0) {
      this.history.violate('leak', `${process.name} left ${process.liveTimers.join()}`);
    }
    if (this.node === node) this.crashNode();
  }

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

  #nodeLogger(process: SimProcess): Logger {
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
