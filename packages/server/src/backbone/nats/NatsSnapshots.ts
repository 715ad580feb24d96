import { createHash } from 'node:crypto';
import { decodeValue, encodeValue, type Runtime, TopGunError } from '@topgunbuild/core';
import { z } from 'zod';
import type { Snapshot } from '../Backbone.js';
import type { JetStream } from './JetStream.js';
import type { NatsLayout } from './NatsLayout.js';

const PART_BYTES = 256 * 1024;
const PARTS_IN_FLIGHT = 8;
const LOAD_ATTEMPTS = 5;

const MANIFEST = z.object({
  seq: z.number().int().min(0),
  generation: z.string(),
  parts: z.number().int().min(0),
  chunkLengths: z.array(z.number().int().min(0)),
  sha256: z.instanceof(Uint8Array),
});
type Manifest = z.infer<typeof MANIFEST>;

interface Saved {
  readonly manifest: Manifest;
  readonly revision: number;
}

/**
 * Snapshots in a stream of their own. The parts of one are stored first, each on its own subject; then the shard's
 * manifest, which makes it the valid one, if no other has become so meanwhile; then the parts of all others are purged.
 */
export class NatsSnapshots {
  readonly #env: { readonly js: JetStream; readonly runtime: Runtime };
  readonly #layout: NatsLayout;
  /** Per shard the save under way: of one process's saves the last one wins. */
  readonly #saving = new Map<number, Promise<void>>();

  constructor(env: { readonly js: JetStream; readonly runtime: Runtime }, layout: NatsLayout) {
    this.#env = env;
    this.#layout = layout;
  }

  save(shard: number, snapshot: Snapshot): Promise<void> {
    const before = this.#saving.get(shard) ?? Promise.resolve();
    const saving = before.catch(() => undefined).then(() => this.#save(shard, snapshot));
    this.#saving.set(shard, saving);
    const forget = (): void => {
      if (this.#saving.get(shard) === saving) this.#saving.delete(shard);
    };
    saving.then(forget, forget);
    return saving;
  }

  async load(shard: number): Promise<Snapshot | null> {
    let saved = await this.#saved(shard);
    for (let attempt = 0; saved !== null && attempt < LOAD_ATTEMPTS; attempt++) {
      try {
        return await this.#read(shard, saved.manifest);
      } catch (error) {
        // Its parts go when another becomes the valid one: then that is what was asked for.
        const now = await this.#saved(shard);
        if (now?.revision === saved.revision) throw error;
        saved = now;
      }
    }
    if (saved === null) return null;
    throw new TopGunError('UNAVAILABLE', 'The snapshot is replaced faster than it can be read. Try again soon.');
  }

  /** The sequence of the last record in the shard's snapshot; 0 when there is none. */
  async seqOf(shard: number): Promise<number> {
    return (await this.#saved(shard))?.manifest.seq ?? 0;
  }

  /** Resolves when nothing is being saved. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#saving.values());
  }

  async #save(shard: number, { seq, chunks }: Snapshot): Promise<void> {
    const { js, runtime } = this.#env;
    const before = await this.#saved(shard);
    // A former owner that was late: what there is includes what it has.
    if (before !== null && before.manifest.seq > seq) return;
    const generation = runtime.id();
    const hash = createHash('sha256');
    let parts = 0;
    const inFlight = new Set<Promise<unknown>>();
    try {
      for (const part of partsOf(chunks)) {
        hash.update(part);
        const storing = js.publish(this.#layout.partSubject(shard, generation, parts++), part, 0);
        inFlight.add(storing);
        storing.then(() => inFlight.delete(storing)).catch(() => undefined);
        if (inFlight.size >= PARTS_IN_FLIGHT) await Promise.race(inFlight);
      }
      await Promise.all(inFlight);
      const chunkLengths = chunks.map((chunk) => chunk.length);
      const manifest: Manifest = { seq, generation, parts, chunkLengths, sha256: hash.digest() };
      const revision = await js.publish(
        this.#layout.snapshotSubject(shard),
        encodeManifest(manifest),
        before?.revision ?? 0,
      );
      if (revision === null) await this.#overtaken(shard, seq);
    } catch (error) {
      await Promise.allSettled(inFlight);
      throw error;
    }
    await this.#purgeOthers(shard);
  }

  async #overtaken(shard: number, seq: number): Promise<void> {
    const now = await this.#saved(shard);
    if (now !== null && now.manifest.seq >= seq) return;
    throw new TopGunError('STORAGE_FAILED', 'Somebody else saved a snapshot of the shard at the same time.');
  }

  /**
   * What is left of others, those given up in the middle included. Somebody who is saving one now read the manifest before
   * it became what it is, so it will not become valid.
   */
  async #purgeOthers(shard: number): Promise<void> {
    const { js } = this.#env;
    const stream = this.#layout.snapshotStream;
    const present = new Set<string>();
    for (const subject of (await js.subjects(stream, this.#layout.partSubject(shard, '*', '*'))).keys()) {
      present.add(subject.split('.').at(-2) ?? '');
    }
    const valid = await this.#saved(shard);
    if (valid === null) return;
    present.delete(valid.manifest.generation);
    for (const generation of present) await js.purge(stream, this.#layout.partSubject(shard, generation, '*'));
  }

  async #saved(shard: number): Promise<Saved | null> {
    const { js } = this.#env;
    const message = await js.last(this.#layout.snapshotStream, this.#layout.snapshotSubject(shard));
    if (message === null) return null;
    try {
      return { manifest: MANIFEST.parse(decodeValue(message.data)), revision: message.seq };
    } catch (cause) {
      throw damaged(cause);
    }
  }

  async #read(shard: number, { seq, generation, parts, chunkLengths, sha256 }: Manifest): Promise<Snapshot> {
    const bytes = new Uint8Array(chunkLengths.reduce((sum, length) => sum + length, 0));
    const { js } = this.#env;
    const stream = this.#layout.snapshotStream;
    const load = async (part: number): Promise<void> => {
      const found = await js.last(stream, this.#layout.partSubject(shard, generation, part));
      const start = part * PART_BYTES;
      if (found === null || found.data.length !== Math.min(PART_BYTES, bytes.length - start)) throw damaged();
      bytes.set(found.data, start);
    };
    for (let part = 0; part < parts; part += PARTS_IN_FLIGHT) {
      const count = Math.min(PARTS_IN_FLIGHT, parts - part);
      await Promise.all(Array.from({ length: count }, (_, index) => load(part + index)));
    }
    const isWhole = parts === Math.ceil(bytes.length / PART_BYTES);
    if (!isWhole || !createHash('sha256').update(bytes).digest().equals(sha256)) throw damaged();
    let end = 0;
    const chunks = chunkLengths.map((length) => {
      end += length;
      return bytes.subarray(end - length, end);
    });
    return { seq, chunks };
  }
}

function encodeManifest({ sha256, ...manifest }: Manifest): Uint8Array {
  return encodeValue({ ...manifest, sha256: new Uint8Array(sha256) });
}

/** The chunks one after the other, cut where a message is full. */
function* partsOf(chunks: readonly Uint8Array[]): Iterable<Uint8Array> {
  let part = new Uint8Array(PART_BYTES);
  let filled = 0;
  for (const chunk of chunks) {
    for (let start = 0; start < chunk.length; ) {
      const taken = Math.min(chunk.length - start, PART_BYTES - filled);
      part.set(chunk.subarray(start, start + taken), filled);
      filled += taken;
      start += taken;
      if (filled < PART_BYTES) continue;
      yield part;
      // Not the same again: it is on its way.
      part = new Uint8Array(PART_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}

function damaged(cause?: unknown): TopGunError {
  return new TopGunError('STORAGE_FAILED', 'A snapshot in NATS is damaged. Restore the data from a backup.', { cause });
}
