import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string): string => fileURLToPath(new URL(`./packages/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    // Tests run against the sources, so that no build is needed and a failure points at the line that caused it.
    alias: [
      { find: /^@topgunbuild\/adapters\/(\w+)$/, replacement: source('adapters/src/$1/index.ts') },
      { find: '@topgunbuild/client/cluster', replacement: source('client/src/cluster/index.ts') },
      { find: /^@topgunbuild\/(core|store|client|server)$/, replacement: source('$1/src/index.ts') },
    ],
  },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts', 'scripts/**/*.test.ts'],
    setupFiles: [fileURLToPath(new URL('./tests/support/fixSeed.ts', import.meta.url))],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
  },
});
