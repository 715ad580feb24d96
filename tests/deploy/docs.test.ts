import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { program } from '../../packages/cli/src/program.js';

const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const METRICS = new URL('../../packages/server/src/metrics/', import.meta.url);

describe('docs/operations.md', () => {
  it('names metrics that nodes have', () => {
    const sources = readdirSync(METRICS).map((file) => readFileSync(new URL(file, METRICS), 'utf8'));
    const known = new Set(sources.flatMap((source) => [...source.matchAll(/'([a-z_]+)'/g)].map(([, name]) => name)));
    const named = [...text.matchAll(/`((?:topgun|process)_[a-z_]+)`/g)].map(([, name]) => name);
    expect(named.length).toBeGreaterThan(15);
    for (const name of named) expect(known, name).toContain(name);
  });

  it('names options that the command line has', () => {
    const known = new Set(program('0').commands.flatMap(({ options }) => options.map(({ long }) => long)));
    const named = [...text.matchAll(/--[a-z][a-z-]*/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(10);
    for (const name of named) expect(known, name).toContain(name);
  });
});
