import type { Where } from '@topgunbuild/core';
import type { Identity } from '../auth/Authenticator.js';
import { Glob } from './Glob.js';
import { type Action, ALLOWED, DENIED, type Permissions, type Verdict } from './Permissions.js';
import type { Rule } from './Rule.js';
import { compileWhereTemplate, type WhereTemplate } from './whereTemplate.js';

interface CompiledRule {
  readonly roles: readonly string[] | null;
  readonly maps: readonly Glob[];
  readonly topics: readonly Glob[];
  readonly allow: ReadonlySet<Action>;
  readonly where: WhereTemplate | null;
}

/** Permissions by a list of rules, compiled once. Denies what no rule allows, so an empty list denies everything. */
export class RulePermissions implements Permissions {
  readonly guardsRows: boolean;
  readonly #rules: readonly CompiledRule[];

  /** Takes rules as `parseRules` returned them. @throws TopGunError INVALID_QUERY for a wrong `where` */
  constructor(rules: readonly Rule[]) {
    this.#rules = rules.map(compileRule);
    this.guardsRows = this.#rules.some((rule) => rule.where !== null && rule.allow.has('write'));
  }

  decide(identity: Identity, action: Action, name: string): Verdict {
    const filters: Where[] = [];
    for (const rule of this.#rules) {
      if (!applies(rule, identity, action, name)) continue;
      if (rule.where === null) return ALLOWED;
      const filter = rule.where.fill(identity);
      if (filter !== null) filters.push(filter);
    }
    const [only] = filters;
    if (only === undefined) return DENIED;
    return { allowed: true, where: filters.length === 1 ? only : { $or: filters } };
  }
}

function applies(rule: CompiledRule, identity: Identity, action: Action, name: string): boolean {
  if (!rule.allow.has(action)) return false;
  if (rule.roles !== null && !rule.roles.some((role) => identity.roles.includes(role))) return false;
  const globs = action === 'read' || action === 'write' ? rule.maps : rule.topics;
  return globs.some((glob) => glob.matches(name));
}

function compileRule(rule: Rule): CompiledRule {
  return {
    roles: rule.roles ?? null,
    maps: globs(rule.maps),
    topics: globs(rule.topics),
    allow: new Set(rule.allow),
    where: rule.where === undefined ? null : compileWhereTemplate(rule.where),
  };
}

function globs(patterns: string | readonly string[] | undefined): readonly Glob[] {
  if (patterns === undefined) return [];
  return (typeof patterns === 'string' ? [patterns] : patterns).map((pattern) => new Glob(pattern));
}
