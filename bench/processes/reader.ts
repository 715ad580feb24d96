import { createReadStream, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { decodeEntries, EntryBatch, encodeEntries, Tag } from '@topgunbuild/core';
import { open } from 'lmdb';
import { answer } from '../harness/answer.js';
import { clock, ENCODED } from '../harness/sample.js';

/** Stores of the usual kind, read into a Map: what a node's start is compared with. */
const ROWS_PER_RECORD = 100;

const role = {
  async writeLmdb(directory: string, rows: number): Promise<void> {
    const db = open<Uint8Array, string>({ path: join(directory, 'rows.mdb'), encoding: 'binary', compression: false });
    for (let i = 0; i < rows; i++) {
      void db.put(`record-${i}`, ENCODED[i % ENCODED.length] as Uint8Array);
      if (i % 50_000 === 49_999) await db.committed;
    }
    await db.flushed;
    await db.close();
  },

  async readLmdb(directory: string, rows: number): Promise<number> {
    const from = clock();
    const db = open<Uint8Array, string>({ path: join(directory, 'rows.mdb'), encoding: 'binary', compression: false });
    const map = new Map<string, Uint8Array>();
    for (const { key, value } of db.getRange()) map.set(key, value);
    const ms = clock() - from;
    await db.close();
    if (map.size !== rows) throw new Error(`${map.size} rows instead of ${rows}`);
    return ms;
  },

  /** A file of length-prefixed groups of operations, as a group-committed log has them. */
  writeLog(directory: string, rows: number): void {
    const file = openSync(join(directory, 'log'), 'w');
    for (let i = 0; i < rows; i += ROWS_PER_RECORD) {
      const batch = new EntryBatch();
      for (let n = i; n < i + ROWS_PER_RECORD; n++) {
        batch.add('bench', `record-${n}`, Tag.LWW_SET, 1_700_000_000_000 + n, 0, 'log', 0, ENCODED[n % ENCODED.length]);
      }
      const bytes = encodeEntries(batch);
      const head = Buffer.alloc(4);
      head.writeUInt32BE(bytes.length);
      writeSync(file, head);
      writeSync(file, bytes);
    }
  },

  async readLog(directory: string, rows: number): Promise<number> {
    const from = clock();
    const map = new Map<string, { readonly ms: number; readonly value: Uint8Array }>();
    let rest = Buffer.alloc(0);
    for await (const chunk of createReadStream(join(directory, 'log'), { highWaterMark: 4 * 1024 * 1024 })) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      let at = 0;
      while (rest.length - at >= 4 && rest.length - at - 4 >= rest.readUInt32BE(at)) {
        const end = at + 4 + rest.readUInt32BE(at);
        const batch = decodeEntries(rest, at + 4, end);
        for (let i = 0; i < batch.count; i++) {
          map.set(batch.keys[i] as string, { ms: batch.ms[i] as number, value: batch.bytes(i) });
        }
        at = end;
      }
      rest = rest.subarray(at);
    }
    const ms = clock() - from;
    if (map.size !== rows) throw new Error(`${map.size} rows instead of ${rows}`);
    return ms;
  },
};

export type ReaderRole = typeof role;
answer(role);
