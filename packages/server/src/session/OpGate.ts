import {
  decodeValue,
  type EntryBatch,
  Kind,
  kindOfTag,
  type Limits,
  type RejectedOp,
  subjectTag,
  Tag,
  TopGunError,
} from '@topgunbuild/core';
import type { RowGuard } from '../permissions/RowGuard.js';
import type { CompiledVerdict, RowTest, Verdicts } from '../permissions/Verdicts.js';
import type { DataPlane } from '../shard/DataPlane.js';
import { checkOp } from './checkOp.js';
import { REFUSALS, type Refusal } from './Refusal.js';

export interface OpGatePorts {
  readonly limits: Limits;
  readonly plane: Pick<DataPlane, 'read' | 'now'>;
  readonly rowGuard: RowGuard;
}

const INCARNATION = /^[0-9a-z]{8}$/;

/** Decides, op by op, what of a batch one identity may hand to the data plane. */
export class OpGate {
  readonly #ports: OpGatePorts;
  readonly #verdicts: Verdicts;
  readonly #replicaPrefix: string;
  readonly #replicaSuffix: string;
  /** The last replica and map that were judged: batches rarely have others. */
  #replica = '';
  #replicaIsOwn = false;
  #map: string | null = null;
  #verdict: CompiledVerdict = { allowed: false, rows: null };

  constructor(ports: OpGatePorts, clientId: string, verdicts: Verdicts) {
    this.#ports = ports;
    this.#verdicts = verdicts;
    this.#replicaPrefix = `${clientId}.`;
    this.#replicaSuffix = `.${subjectTag(verdicts.identity.subject)}`;
  }

  /**
   * Judges the rows of `batch`, those from `budget` on being beyond the rate limit, by all that any node can test. Adds the
   * refused ones to `rejected` and returns the indexes of the others; null = all of them.
   */
  judge(batch: EntryBatch, budget: number, rejected: RejectedOp[]): readonly number[] | null {
    const latestMs = this.#ports.plane.now() + this.#ports.limits.maxDriftMs;
    let accepted: number[] | null = null;
    for (let index = 0; index < batch.count; index++) {
      const refusal = index < budget ? this.#judgeOp(batch, index, latestMs) : REFUSALS.rate;
      if (refusal === null) {
        accepted?.push(index);
        continue;
      }
      accepted ??= upTo(index);
      rejected.push({ index, code: refusal.code, message: refusal.message });
    }
    return accepted;
  }

  /**
   * Judges the rows `indexes` (null = all) of `batch` by the rules that look at rows, which takes a node that owns them. As
   * `judge`; rows that are another node's pass, for the data plane to send away.
   */
  judgeRows(batch: EntryBatch, indexes: readonly number[] | null, rejected: RejectedOp[]): readonly number[] {
    const accepted: number[] = [];
    for (const index of indexes ?? upTo(batch.count)) {
      const { allowed, rows } = this.#verdictOn(batch.maps[index] as string);
      const refusal = !allowed ? REFUSALS.denied : rows === null ? null : this.#judgeRow(batch, index, rows);
      if (refusal === null) accepted.push(index);
      else rejected.push({ index, code: refusal.code, message: refusal.message });
    }
    return accepted;
  }

  #judgeOp(batch: EntryBatch, index: number, latestMs: number): Refusal | null {
    if (!this.#isOwnReplica(batch.replicas[index] as string)) return REFUSALS.replica;
    const malformed = checkOp(batch, index, this.#ports.limits, latestMs);
    if (malformed !== null) return malformed;
    const verdict = this.#verdictOn(batch.maps[index] as string);
    return verdict.allowed ? null : REFUSALS.denied;
  }

  #isOwnReplica(replica: string): boolean {
    if (replica === this.#replica) return this.#replicaIsOwn;
    const prefix = this.#replicaPrefix;
    const suffix = this.#replicaSuffix;
    this.#replica = replica;
    this.#replicaIsOwn =
      replica.startsWith(prefix) &&
      replica.endsWith(suffix) &&
      INCARNATION.test(replica.slice(prefix.length, -suffix.length));
    return this.#replicaIsOwn;
  }

  #verdictOn(map: string): CompiledVerdict {
    if (map !== this.#map) {
      this.#verdict = this.#verdicts.for('write', map);
      this.#map = map;
    }
    return this.#verdict;
  }

  /** The row that is there, if any, and the row that would be there must both be the subject's to write. */
  #judgeRow(batch: EntryBatch, index: number, rows: RowTest): Refusal | null {
    const map = batch.maps[index] as string;
    const key = batch.keys[index] as string;
    if (!rows.needsValue) return rows.matches(key, null) ? null : REFUSALS.denied;
    const tag = batch.tags[index] as number;
    // What a set or a counter will hold once merged is not known here, so no condition on values can vouch for it.
    if (kindOfTag(tag) !== Kind.LWW) return REFUSALS.denied;
    if (tag === Tag.LWW_SET && !rows.matches(key, decodeValue(batch.bytes(index)))) return REFUSALS.denied;
    if (this.#ports.rowGuard.isContended(map, key, this.#verdicts.identity.subject)) return REFUSALS.contended;
    try {
      const present = this.#ports.plane.read(map, key);
      return present === null || rows.matches(key, present.value) ? null : REFUSALS.denied;
    } catch (error) {
      if (error instanceof TopGunError) return error.code === 'NOT_OWNER' ? null : REFUSALS.unavailable;
      throw error;
    }
  }
}

function upTo(end: number): number[] {
  return Array.from({ length: end }, (_, index) => index);
}
