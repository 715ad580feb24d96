import { fileURLToPath } from 'node:url';

/** What runs this very command line in another process, however this one was started. */
export const ENTRY = fileURLToPath(new URL('../../bin/topgun.js', import.meta.url));
