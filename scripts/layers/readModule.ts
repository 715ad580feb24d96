import { parseSync } from 'oxc-parser';

/** What one source file takes from outside itself. */
export interface SourceModule {
  /** Every imported or re-exported specifier, types included. */
  readonly imports: readonly string[];
  /** Calls that read a clock, start a timer or draw a random value. */
  readonly worldly: readonly string[];
}

const GLOBALS = new Set(['globalThis', 'self', 'window']);
const WORLDLY_NAMES = new Set(['setTimeout', 'setInterval', 'randomUUID']);
const WORLDLY_MEMBERS = new Set(['Date.now', 'performance.now', 'Math.random']);

/** Parses TypeScript source; throws on a syntax error. */
export function readModule(path: string, source: string): SourceModule {
  const { program, errors } = parseSync(path, source);
  const error = errors[0];
  if (error !== undefined) throw new Error(`${path}: ${error.message}`);
  const imports: string[] = [];
  const worldly: string[] = [];
  walk(program, imports, worldly);
  return { imports, worldly };
}

function walk(node: unknown, imports: string[], worldly: string[]): void {
  if (Array.isArray(node)) {
    for (const item of node) walk(item, imports, worldly);
    return;
  }
  if (!isNode(node)) return;
  // Only the import, export and import() forms have a `source`.
  if (isNode(node.source) && typeof node.source.value === 'string') imports.push(node.source.value);
  const found = worldlyUse(node);
  if (found !== null) worldly.push(found);
  for (const [field, child] of Object.entries(node)) {
    // `typeof setTimeout` in a type, and a property that happens to have such a name, call nothing.
    if (node.type === 'TSTypeQuery') continue;
    if ((field === 'key' || field === 'property') && node.computed === false) continue;
    walk(child, imports, worldly);
  }
}

function worldlyUse(node: Node): string | null {
  if (node.type === 'Identifier') return WORLDLY_NAMES.has(String(node.name)) ? String(node.name) : null;
  if (node.type === 'NewExpression' && nameOf(node.callee) === 'Date') {
    return Array.isArray(node.arguments) && node.arguments.length === 0 ? 'new Date()' : null;
  }
  if (node.type !== 'MemberExpression') return null;
  const object = nameOf(node.object);
  const property = nameOf(node.property);
  if (property === 'randomUUID') return 'randomUUID';
  if (GLOBALS.has(object) && WORLDLY_NAMES.has(property)) return property;
  return WORLDLY_MEMBERS.has(`${object}.${property}`) ? `${object}.${property}` : null;
}

/** `x` of `x`, of `a.x` and of `a['x']`; else the empty string. */
function nameOf(node: unknown): string {
  if (!isNode(node)) return '';
  if (node.type === 'Identifier') return String(node.name);
  if (node.type === 'MemberExpression') return nameOf(node.property);
  return node.type === 'Literal' ? String(node.value) : '';
}

type Node = { readonly type: string } & Readonly<Record<string, unknown>>;

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}
