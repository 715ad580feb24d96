import { fdatasync, openSync, writev } from 'node:fs';
import { join } from 'node:path';
import { type EntryBatch, encodeEntries } from '@topgunbuild/core';
import { open } from 'lmdb';

export type SinkName = 'none' | 'lmdb' | 'log';

export interface AckSink {
  /** Calls `done` when all of `ops` would survive a power cut. */
  write(ops: EntryBatch, done: () => void): void;
}

export async function openSink(name: SinkName, directory: string): Promise<AckSink | null> {
  switch (name) {
    case 'none':
      return null;
    case 'lmdb':
      return new LmdbSink(directory);
    case 'log':
      return new LogSink(directory);
  }
}

/** One `put` an operation. LMDB itself commits whatever is put meanwhile together. */
class LmdbSink implements AckSink {
  readonly #db;

  constructor(directory: string) {
    this.#db = open<Uint8Array, string>({ path: join(directory, 'rows.mdb'), encoding: 'binary', compression: false });
  }

  write(ops: EntryBatch, done: () => void): void {
    let last: Promise<boolean> = Promise.resolve(true);
    for (let i = 0; i < ops.count; i++) last = this.#db.put(ops.keys[i] as string, ops.bytes(i));
    void last.then(() => this.#db.flushed).then(done);
  }
}

/** A file that operations are appended to, all that wait in one write and one fdatasync; and a Map that they end up in. */
class LogSink implements AckSink {
  readonly #file: number;
  readonly #rows = new Map<string, Uint8Array>();
  #queue: { readonly ops: EntryBatch; readonly done: () => void }[] = [];
  #writing = false;

  constructor(directory: string) {
    this.#file = openSync(join(directory, 'log'), 'a');
  }

  write(ops: EntryBatch, done: () => void): void {
    this.#queue.push({ ops, done });
    if (!this.#writing) setImmediate(() => this.#commit());
    this.#writing = true;
  }

  #commit(): void {
    const group = this.#queue;
    this.#queue = [];
    this.#writing = group.length > 0;
    if (group.length === 0) return;
    const buffers = group.map(({ ops }) => encodeEntries(ops));
    writev(this.#file, buffers, (failed) => {
      if (failed !== null) throw failed;
      fdatasync(this.#file, (error) => {
        if (error !== null) throw error;
        for (const { ops, done } of group) {
          for (let i = 0; i < ops.count; i++) this.#rows.set(ops.keys[i] as string, ops.bytes(i));
          done();
        }
        this.#commit();
      });
    });
  }
}
