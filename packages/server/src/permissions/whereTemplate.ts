import { TopGunError, validateWhere, type Where } from '@topgunbuild/core';
import type { Identity } from '../auth/Authenticator.js';

const CLAIMS = '$claims.';

/** A rule's `where` with references to claims, made ready to be filled in for an identity. */
export interface WhereTemplate {
  /** Null when a claim that it refers to is missing or of no use: then the rule allows nothing. */
  fill(identity: Identity): Where | null;
}

/** @throws TopGunError INVALID_QUERY for conditions that are wrong, or texts with `$` that refer to nothing. */
export function compileWhereTemplate(where: unknown): WhereTemplate {
  // A list claim is written as a text where the language wants a list: it is checked as the list of one.
  const checked = validateWhere(rewrite(where, (text, wantsList) => (wantsList ? [text] : text)));
  checkReferences(checked);
  return { fill: (identity) => fillWhere(where, identity) };
}

function fillWhere(where: unknown, identity: Identity): Where | null {
  let missing = false;
  const filled = rewrite(where, (text, wantsList) => {
    const value = resolveText(text, identity, wantsList);
    if (value === undefined) missing = true;
    return value ?? null;
  });
  return missing ? null : checkedOrNull(filled);
}

/** A claim of a type that its place does not take, such as a number behind `$startsWith`, is of no use either. */
function checkedOrNull(where: unknown): Where | null {
  try {
    return validateWhere(where);
  } catch (error) {
    if (error instanceof TopGunError) return null;
    throw error;
  }
}

/** The text itself, or what it refers to; undefined when that is missing or does not fit its place. */
function resolveText(text: string, identity: Identity, wantsList: boolean): unknown {
  if (text === '$sub') return wantsList ? [identity.subject] : identity.subject;
  if (text.startsWith(CLAIMS)) return usable(claimAt(identity.claims, text.slice(CLAIMS.length)), wantsList);
  return text.startsWith('$$') ? text.slice(1) : text;
}

function claimAt(claims: unknown, path: string): unknown {
  let value = claims;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

/**
 * Scalars only, and lists of them where a list is wanted. An object would be read as operators: whoever can put
 * `{ $ne: null }` into a claim must not turn a condition around.
 */
function usable(value: unknown, wantsList: boolean): unknown {
  if (!wantsList) return isScalar(value) ? value : undefined;
  if (isScalar(value)) return [value];
  return Array.isArray(value) && value.length <= MAX_LISTED && value.every(isScalar) ? value : undefined;
}

const MAX_LISTED = 1_000;

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/** A copy of `where` with every text value replaced; names of fields and operators stay. `wantsList`: it stands in the place of a list. */
function rewrite(node: unknown, replace: (text: string, wantsList: boolean) => unknown, wantsList = false): unknown {
  if (typeof node === 'string') return replace(node, wantsList);
  if (Array.isArray(node)) return node.map((item) => rewrite(item, replace));
  if (!isPlainObject(node)) return node;
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(node)) {
    const value = rewrite(node[name], replace, name === '$in' || name === '$nin');
    Object.defineProperty(copy, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return copy;
}

function checkReferences(where: Where): void {
  rewrite(where, (text) => {
    const known = !text.startsWith('$') || text === '$sub' || text.startsWith('$$') || isClaimPath(text);
    if (known) return text;
    throw new TopGunError(
      'INVALID_QUERY',
      `where: '${text}' refers to nothing; use '$sub', '$claims.name', or '$${text}' for the text itself`,
    );
  });
}

function isClaimPath(text: string): boolean {
  return text.startsWith(CLAIMS) && text.length > CLAIMS.length;
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
