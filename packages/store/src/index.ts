export type { Change, CommitOptions } from './CommitQueue.js';
export { type KeyRange, type Row, Store, type StoreOptions } from './Store.js';
