import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkLayers } from './checkLayers.js';

let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'layers-'));
});

afterEach(() => rmSync(root, { recursive: true }));

function plant(files: Record<string, string>): string[] {
  for (const [path, text] of Object.entries(files)) {
    const [name = ''] = path.split('/');
    write(join(name, 'package.json'), MANIFEST);
    write(path, text);
  }
  return checkLayers(root);
}

function write(path: string, text: string): void {
  const file = join(root, 'packages', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const MANIFEST = JSON.stringify({
  dependencies: { lmdb: '1.0.0' },
  exports: { '.': { types: './dist/index.d.ts' }, './lmdb': { types: './dist/lmdb/index.d.ts' } },
});

describe('the layers of the workspace', () => {
  it('lets through what follows the rules', () => {
    const problems = plant({
      'core/src/clock/HLC.ts': "import type { Runtime } from '../runtime/Runtime.js'; export const at = new Date(0);",
      'core/src/runtime/Runtime.ts': 'export interface Runtime { setTimeout: number }',
      'core/src/runtime/systemRuntime.ts': 'export const now = () => Date.now();',
      'client/src/index.ts': "export { HLC } from '@topgunbuild/core';",
      'client/src/timers.ts': 'export type Handle = ReturnType<typeof setTimeout>;',
      'adapters/src/lmdb/index.ts': "import { open } from 'lmdb'; import 'node:fs'; import '@topgunbuild/client';",
      'server/src/Shard.test.ts': "import '@topgunbuild/client'; setTimeout(() => {}, 1);",
      'cli/src/main.ts': "import '@topgunbuild/server'; import '@topgunbuild/client'; Date.now();",
    });
    expect(problems).toEqual([]);
  });

  it.each([
    ['a client that knows the server', 'client/src/a.ts', "import '@topgunbuild/server';", '@topgunbuild/server'],
    ['a server that knows the client', 'server/src/a.ts', "import '@topgunbuild/client';", '@topgunbuild/client'],
    ['a core that knows anybody', 'core/src/a.ts', "export * from '@topgunbuild/client';", '@topgunbuild/client'],
    ['a type from a forbidden part', 'core/src/a.ts', "import type { A } from '@topgunbuild/client';", 'must not know'],
    ['an inline import type', 'core/src/a.ts', "type A = import('@topgunbuild/client').A;", 'must not know'],
    ['a dynamic import', 'server/src/a.ts', "await import('@topgunbuild/client');", 'must not know'],
    ['a built-in in the core', 'core/src/a.ts', "import { join } from 'node:path';", 'node:path'],
    ['a built-in without its prefix in the client', 'client/src/a.ts', "import 'fs/promises';", 'fs/promises'],
    ['a package that is not a dependency', 'server/src/a.ts', "import 'left-pad/x';", 'left-pad'],
    ['a file of another package', 'server/src/a.ts', "import '../../core/src/b.js';", 'outside its package'],
    ['a test helper in real code', 'core/src/a.ts', "import './testing/b.js';", 'for tests'],
    ['a barrel', 'core/src/crdt/index.ts', 'export {};', 'barrel'],
    ['a package without a layer', 'other/src/a.ts', '', 'no layer'],
  ])('refuses %s', (_what, path, text, words) => {
    const problems = plant({ [path]: text });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(words);
  });

  it.each([
    'Date.now()',
    'globalThis.Date.now()',
    'new Date()',
    'performance.now()',
    'Math.random()',
    "Math['random']()",
    'setTimeout(() => {}, 1)',
    'setInterval(() => {}, 1)',
    'const later = setTimeout',
    'globalThis.setTimeout(() => {}, 1)',
    'crypto.randomUUID()',
    "import { randomUUID } from 'node:crypto'",
  ])('refuses an engine that says %s', (text) => {
    const problems = plant({ 'server/src/shard/Shard.ts': text });
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]).toContain('take it from the Runtime');
  });

  it('refuses files that import each other in a circle, and names the way round', () => {
    const problems = plant({
      'core/src/a.ts': "import './x/b.js';",
      'core/src/x/b.ts': "import type { C } from '../c.js';",
      'core/src/c.ts': "export * from './a.js';",
      'core/src/d.ts': "import './a.js';",
    });
    expect(problems).toEqual(['packages/core/src: circle a.ts -> x/b.ts -> c.ts -> a.ts']);
  });

  it('says so when a file cannot be parsed', () => {
    expect(() => plant({ 'core/src/a.ts': 'const = 1;' })).toThrow('a.ts');
  });
});
