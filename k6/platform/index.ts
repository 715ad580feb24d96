/** What the client takes from its platform and k6 does not have. The bundler puts these names in the place of the globals. */
export { queueMicrotask } from './queueMicrotask.js';
export { TextDecoder } from './TextDecoder.js';
export { TextEncoder } from './TextEncoder.js';
export { URL } from './URL.js';
