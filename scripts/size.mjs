/**
 * Bundles everything `@topgunbuild/client` exports for browsers and fails when it outgrows its budget, or when it takes
 * in something that browsers do not have. Run it after a build.
 */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** What the bundle may weigh today. The goal is 25 kB. */
const BUDGET_KB = 56;

const { outputFiles } = await build({
  entryPoints: ['@topgunbuild/client'],
  absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  write: false,
});
const [bundle] = outputFiles;
const kilobytes = (bytes) => (bytes / 1000).toFixed(1);
const zipped = gzipSync(bundle.contents, { level: 9 }).length;
console.log(
  `@topgunbuild/client: ${kilobytes(zipped)} kB gzipped of ${BUDGET_KB} kB (${kilobytes(bundle.contents.length)} kB minified)`,
);
if (zipped > BUDGET_KB * 1000) process.exitCode = 1;
