import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix } from 'node:path';
import { findCycles } from './findCycles.js';
import { readModule } from './readModule.js';

interface Layer {
  /** The workspace packages this one may know. */
  readonly knows: readonly string[];
  /** Runs in browsers too: no Node built-in modules. */
  readonly isomorphic: boolean;
  /** Takes time and chance from its Runtime. */
  readonly engine: boolean;
}

const CORE = '@topgunbuild/core';
const STORE = '@topgunbuild/store';
const CLIENT = '@topgunbuild/client';
const SERVER = '@topgunbuild/server';

/** core <- client <- adapters, core <- server <- cli; core <- store <- adapters, server. By folder under packages/. */
const LAYERS: Readonly<Record<string, Layer>> = {
  core: { knows: [], isomorphic: true, engine: true },
  store: { knows: [CORE], isomorphic: false, engine: true },
  client: { knows: [CORE], isomorphic: true, engine: true },
  adapters: { knows: [CORE, STORE, CLIENT], isomorphic: false, engine: true },
  server: { knows: [CORE, STORE], isomorphic: false, engine: true },
  cli: { knows: [CORE, CLIENT, SERVER, '@topgunbuild/adapters'], isomorphic: false, engine: false },
};

/** Where the world is let in: folders of these names, and files such as systemRuntime.ts or WebSocketTransport.ts. */
const WORLD = /(^|\/)(runtime|platform|transport)\/|(runtime|platform|transport)\.ts$/i;
const TEST = /\.test\.ts$|(^|\/)testing\//;

/** The violations in `root`/packages, one line each; none when all is well. */
export function checkLayers(root: string): string[] {
  const packages = join(root, 'packages');
  return readdirSync(packages)
    .sort()
    .flatMap((name) => checkPackage(name, join(packages, name)));
}

function checkPackage(name: string, folder: string): string[] {
  const layer = LAYERS[name];
  if (layer === undefined) return [`packages/${name}: has no layer in scripts/layers/checkLayers.ts`];
  const manifest = readFileSync(join(folder, 'package.json'), 'utf8');
  const { dependencies = {}, exports = {} } = JSON.parse(manifest) as {
    dependencies?: Record<string, string>;
    exports?: Record<string, { types: string }>;
  };
  const entries = new Set(Object.values(exports).map(({ types }) => posix.normalize(types).replace('dist/', '')));
  const problems: string[] = [];
  const graph = new Map<string, readonly string[]>();
  for (const file of sourcesOf(join(folder, 'src'))) {
    if (TEST.test(file)) continue;
    const report = (problem: string): unknown => problems.push(`packages/${name}/src/${file}: ${problem}`);
    const { imports, worldly } = readModule(file, readFileSync(join(folder, 'src', file), 'utf8'));
    const relative = imports.filter((specifier) => specifier.startsWith('.'));
    const targets = relative.map((specifier) => resolveSource(file, specifier));
    graph.set(file, targets);
    for (const target of targets) {
      if (target.startsWith('../')) report(`imports ${target}, outside its package`);
      else if (TEST.test(target)) report(`imports ${target}, which is for tests`);
    }
    for (const specifier of imports) {
      const problem = specifier.startsWith('.') ? null : foreignProblem(layer, specifier, dependencies);
      if (problem !== null) report(problem);
    }
    if (layer.engine && !WORLD.test(file)) for (const use of worldly) report(`uses ${use}: take it from the Runtime`);
    if (file.endsWith('/index.ts') && !entries.has(file.replace('.ts', '.d.ts'))) report('is a barrel');
  }
  for (const cycle of findCycles(graph))
    problems.push(`packages/${name}/src: circle ${cycle.join(' -> ')} -> ${cycle[0]}`);
  return problems;
}

function foreignProblem(layer: Layer, specifier: string, dependencies: Record<string, string>): string | null {
  if (specifier.startsWith('#')) return null;
  if (isBuiltin(specifier)) return layer.isomorphic ? `imports ${specifier}, which browsers do not have` : null;
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  if (name.startsWith('@topgunbuild/') || name === 'topgun') {
    return layer.knows.includes(name) ? null : `imports ${name}, which it must not know`;
  }
  return name in dependencies ? null : `imports ${name}, which is not among its dependencies`;
}

function sourcesOf(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[])
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts'))
    .sort();
}

function resolveSource(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}
