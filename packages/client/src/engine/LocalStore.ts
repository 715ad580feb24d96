import { type EntryBatch, type Runtime, subjectTag, TopGunError } from '@topgunbuild/core';
import { loadStorage, type StoredState } from '../storage/loadStorage.js';
import type { IStorageAdapter } from '../storage/StorageAdapter.js';
import { StorageWriter } from '../storage/StorageWriter.js';

/** Where facts about the device live, whoever is signed in. */
const DEVICE_NAMESPACE = '_device';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What the device knows before anybody is signed in. */
export interface DeviceFacts {
  readonly clientId: string | null;
  /** The subject that used the device last; null = never anybody. */
  readonly subject: string | null;
}

/** The client's storage: facts of the device in one namespace, and one namespace for each subject. */
export class LocalStore {
  readonly #adapter: IStorageAdapter;
  readonly #runtime: Runtime;
  readonly #onError: (error: TopGunError) => void;
  readonly #onCommitted: () => void;
  #writer: StorageWriter | null = null;

  constructor(
    adapter: IStorageAdapter,
    runtime: Runtime,
    onError: (error: TopGunError) => void,
    onCommitted: () => void,
  ) {
    this.#adapter = adapter;
    this.#runtime = runtime;
    this.#onError = onError;
    this.#onCommitted = onCommitted;
  }

  /** Where changes go; null while no subject's namespace is open. */
  get writer(): StorageWriter | null {
    return this.#writer;
  }

  async readDevice(): Promise<DeviceFacts> {
    return this.#withDevice(async () => {
      const { meta } = await loadStorage(this.#adapter, () => {});
      return { clientId: text(meta.get('clientId')), subject: text(meta.get('subject')) };
    });
  }

  async writeDevice(facts: { readonly clientId: string; readonly subject: string }): Promise<void> {
    await this.#withDevice(() =>
      this.#adapter.commit([
        { table: 'meta', key: ['clientId'], value: encoder.encode(facts.clientId) },
        { table: 'meta', key: ['subject'], value: encoder.encode(facts.subject) },
      ]),
    );
  }

  /** Opens the namespace of `subject` and reads all of it. @throws TopGunError STORAGE_FAILED */
  async open(subject: string, onRecords: (map: string, rows: EntryBatch) => void): Promise<StoredState> {
    await this.#adapter.open(subjectTag(subject));
    try {
      const state = await loadStorage(this.#adapter, onRecords);
      this.#writer = new StorageWriter(this.#adapter, this.#runtime, this.#onError, this.#onCommitted);
      return state;
    } catch (cause) {
      await this.#adapter.close();
      if (cause instanceof TopGunError && cause.code !== 'BAD_FRAME') throw cause;
      throw new TopGunError('STORAGE_FAILED', 'The local storage holds what this version cannot read.', { cause });
    }
  }

  async close(): Promise<void> {
    const writer = this.#writer;
    if (writer === null) return;
    await writer.close();
    this.#writer = null;
    await this.#adapter.close();
  }

  async #withDevice<T>(work: () => Promise<T>): Promise<T> {
    await this.#adapter.open(DEVICE_NAMESPACE);
    try {
      return await work();
    } finally {
      await this.#adapter.close();
    }
  }
}

function text(bytes: Uint8Array | undefined): string | null {
  return bytes === undefined ? null : decoder.decode(bytes);
}
