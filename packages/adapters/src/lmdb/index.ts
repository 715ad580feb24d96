export { LmdbAdapter, type LmdbAdapterOptions } from './LmdbAdapter.js';
