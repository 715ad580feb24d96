import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Runtime, systemRuntime, TopGunError } from '@topgunbuild/core';
import { Store } from '@topgunbuild/store';
import { type Logger, SILENT } from '../Logger.js';
import type { Backbone, Log } from './Backbone.js';
import { EmbeddedLog, LOG_TABLE } from './EmbeddedLog.js';
import { CHUNK_TABLE, SNAPSHOT_TABLE } from './EmbeddedSnapshots.js';

export interface EmbeddedBackboneOptions {
  /** A directory of this node alone, made when it is missing. */
  readonly path: string;
  readonly runtime?: Runtime;
  readonly logger?: Logger;
}

const META_TABLE = 'meta';
const FORMAT = '1';

type State = { readonly name: 'closed' } | { readonly name: 'open'; readonly store: Store; readonly log: Log };

/** Log and snapshots of a single node in one directory. An append is on the disk when it resolves. */
export class EmbeddedBackbone implements Backbone {
  readonly type = 'embedded';
  readonly cluster = null;
  readonly problem = null;
  readonly #path: string;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  #state: State = { name: 'closed' };

  constructor({ path, runtime = systemRuntime(), logger = SILENT }: EmbeddedBackboneOptions) {
    this.#path = path;
    this.#runtime = runtime;
    this.#logger = logger;
  }

  /** @throws TopGunError CLOSED */
  get log(): Log {
    if (this.#state.name === 'closed') throw new TopGunError('CLOSED', 'The backbone is not open');
    return this.#state.log;
  }

  /** @throws TopGunError STORAGE_FAILED (in use, damaged, not a directory, of a newer version), STORAGE_FULL */
  async open(): Promise<void> {
    if (this.#state.name === 'open') return;
    const store = await Store.open({ path: this.#path, tables: [META_TABLE, LOG_TABLE, SNAPSHOT_TABLE, CHUNK_TABLE] });
    try {
      this.#state = { name: 'open', store, log: new EmbeddedLog(await this.#logId(store), store) };
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#state.name === 'closed') return;
    const { store } = this.#state;
    this.#state = { name: 'closed' };
    await store.close();
  }

  /**
   * The id of the log, a new one when it is new. And when the file is another than the one the id was given for: then
   * somebody has brought back a copy, which lacks what was appended since, and clients that hold cursors must know.
   */
  async #logId(store: Store): Promise<string> {
    const format = readText(store, 'format');
    if (format !== null && format !== FORMAT) {
      const message = `${this.#path} has format ${format}, this version reads ${FORMAT}: update TopGun, or use another path`;
      throw new TopGunError('STORAGE_FAILED', message);
    }
    const file = fileIdentity(join(this.#path, 'data.mdb'));
    const known = readText(store, 'logId');
    if (known !== null && readText(store, 'file') === file) return known;
    const logId = this.#runtime.id();
    const facts = { format: FORMAT, logId, file };
    await store.commit(
      Object.entries(facts).map(([name, text]) => ({ table: META_TABLE, key: toBytes(name), value: toBytes(text) })),
    );
    if (known !== null) {
      this.#logger.warn({ path: this.#path }, 'the data directory is a copy: clients will synchronize anew');
    }
    return logId;
  }
}

/** Another one for every file, on file systems that know when a file was born; inodes alone are given out again. */
function fileIdentity(file: string): string {
  const { ino, birthtimeNs } = statSync(file, { bigint: true });
  return `${ino}:${birthtimeNs}`;
}

function readText(store: Store, name: string): string | null {
  const bytes = store.get(META_TABLE, toBytes(name));
  return bytes === undefined ? null : new TextDecoder().decode(bytes);
}

function toBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
