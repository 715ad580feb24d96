import { decodeStamps, decodeTotals, type EntryBatch, Tag } from '@topgunbuild/core';
import type { LogRecord } from '../../../packages/server/src/backbone/Backbone.js';
import { decodeLogRecord } from '../../../packages/server/src/shard/logRecord.js';
import type { History } from '../history/History.js';
import { isAfter, stampId, told, type WireOp } from '../history/WireLog.js';
import type { MapWatch } from './MapWatch.js';

interface Stamp {
  readonly ms: number;
  readonly counter: number;
  readonly replica: string;
}

interface Owner {
  readonly epoch: number;
  /** The process, not just the node. */
  readonly author: string;
}

/**
 * Watches the shared log as records land. Promise 7: between the marks of two epochs all records are those of the owner of
 * the former, who is the one that the map named. Promise 1: whatever is acked is in the log by then, or can change nothing.
 */
export class LogWatch {
  readonly #history: History;
  readonly #maps: MapWatch;
  readonly #owners = new Map<number, Owner>();
  readonly #newest = new Map<string, Stamp>();
  readonly #elements = new Set<string>();
  readonly #removed = new Set<string>();
  readonly #totals = new Map<string, { readonly added: number; readonly removed: number }>();
  /** Records in each epoch mark, entries and horizons. */
  readonly counts = { marks: 0, records: 0 };

  constructor(history: History, maps: MapWatch) {
    this.#history = history;
    this.#maps = maps;
  }

  landed(shard: number, record: LogRecord, author: string): void {
    const content = decodeLogRecord(record.bytes.slice());
    const owner = this.#owners.get(shard);
    const where = `record ${record.seq} of shard ${shard}`;
    if (content.type === 'epoch') {
      this.counts.marks++;
      const { epoch, nodeId } = content;
      const isSame = owner !== undefined && epoch === owner.epoch && author === owner.author;
      if (owner !== undefined && epoch <= owner.epoch && !isSame) {
        const former = `${owner.author} in epoch ${owner.epoch}`;
        this.#history.violate('7', `${where}: ${author} takes over in epoch ${epoch} after ${former}`);
      }
      if (!author.startsWith(`${nodeId}.`)) {
        this.#history.violate('7', `${where}: ${author} takes over in the name of ${nodeId}`);
      }
      const granted = this.#maps.ownerIn(shard, epoch);
      if (granted !== nodeId) {
        this.#history.violate(
          '7',
          `${where}: ${author} takes over in epoch ${epoch}, which is ${granted ?? 'nobody'}'s`,
        );
      }
      this.#owners.set(shard, { epoch, author });
      return;
    }
    this.counts.records++;
    if (owner?.author !== author) {
      const rightful = owner === undefined ? 'nobody' : `${owner.author} in epoch ${owner.epoch}`;
      this.#history.violate('7', `${where} is of ${author}, but the shard is owned by ${rightful}`);
    }
    if (content.type === 'entries') this.#index(content.entries);
  }

  /** A node has said to a client that the op is durable. */
  acked(op: WireOp, by: string): void {
    if (!this.#isKept(op)) this.#history.violate('1', `${by} acked what is not in the log: ${told(op)}`);
  }

  #isKept(op: WireOp): boolean {
    switch (op.tag) {
      case Tag.OR_ADD: {
        const id = `${op.map}/${op.key}/${stampId(op.ms, op.counter, op.replica)}`;
        return this.#elements.has(id) || this.#removed.has(id);
      }
      case Tag.OR_REMOVE:
        return op.removes.every((stamp) => this.#removed.has(`${op.map}/${op.key}/${stamp}`));
      case Tag.COUNTER_ADD: {
        const slot = this.#totals.get(`${op.map}/${op.key}/${op.replica}`);
        const { added = 0, removed = 0 } = op.totals ?? {};
        return slot !== undefined && slot.added >= added && slot.removed >= removed;
      }
      default: {
        const newest = this.#newest.get(`${op.map}/${op.key}`);
        return newest !== undefined && !isAfter(op, newest);
      }
    }
  }

  #index(batch: EntryBatch): void {
    for (let i = 0; i < batch.count; i++) {
      const place = `${batch.maps[i]}/${batch.keys[i]}`;
      const stamp = {
        ms: batch.ms[i] as number,
        counter: batch.counters[i] as number,
        replica: batch.replicas[i] as string,
      };
      switch (batch.tags[i]) {
        case Tag.OR_ADD:
          this.#elements.add(`${place}/${stampId(stamp.ms, stamp.counter, stamp.replica)}`);
          break;
        case Tag.OR_REMOVE:
          for (const { ms, counter, replica } of decodeStamps(batch.bytes(i).slice())) {
            this.#removed.add(`${place}/${stampId(ms, counter, replica)}`);
          }
          break;
        case Tag.COUNTER_ADD: {
          const known = this.#totals.get(`${place}/${stamp.replica}`) ?? { added: 0, removed: 0 };
          const { added, removed } = decodeTotals(batch.bytes(i).slice());
          const most = { added: Math.max(known.added, added), removed: Math.max(known.removed, removed) };
          this.#totals.set(`${place}/${stamp.replica}`, most);
          break;
        }
        default: {
          const newest = this.#newest.get(place);
          if (newest === undefined || isAfter(stamp, newest)) this.#newest.set(place, stamp);
        }
      }
    }
  }
}
