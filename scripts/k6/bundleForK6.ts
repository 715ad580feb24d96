import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = new URL('../../', import.meta.url);

/** Where `npm run k6:bundle` leaves its result. */
export const K6_BUNDLE = fileURLToPath(new URL('k6/dist/cluster-throughput.js', ROOT));

/**
 * One ES module of the script and the client, for k6: what it imports are modules of k6, and of globals it needs nothing but
 * ECMAScript and `__ENV`. Run it after a build of the packages.
 */
export async function bundleForK6(outfile = K6_BUNDLE): Promise<void> {
  await build({
    entryPoints: ['k6/cluster-throughput.ts'],
    absWorkingDir: fileURLToPath(ROOT),
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    external: ['k6', 'k6/*'],
    inject: ['k6/platform/index.ts'],
    // The client's default, which the script does not use.
    define: { 'globalThis.WebSocket': 'undefined' },
    target: 'es2020',
    // k6's interpreter has them, and what they would be lowered to is slow there.
    supported: {
      'class-field': true,
      'class-static-field': true,
      'class-private-accessor': true,
      'class-private-field': true,
      'class-private-method': true,
      'class-private-static-accessor': true,
      'class-private-static-field': true,
      'class-private-static-method': true,
    },
    logLevel: 'warning',
  });
}
