import { compileQuery, type Where } from '@topgunbuild/core';
import type { Identity } from '../auth/Authenticator.js';
import { ACTIONS, type Action, type Permissions } from './Permissions.js';

/** A verdict made ready to judge rows. */
export interface CompiledVerdict {
  readonly allowed: boolean;
  /** Null: every row, or none at all when not allowed. */
  readonly rows: RowTest | null;
}

export interface RowTest {
  readonly where: Where;
  /** False: `matches` looks at the key alone. */
  readonly needsValue: boolean;
  matches(key: string, value: unknown): boolean;
}

/** Names come from clients, so what is remembered of them is bounded. */
const MAX_NAMES = 1_000;

/** What one identity may do, each answer computed once. A renewed identity gets new Verdicts. */
export class Verdicts {
  readonly identity: Identity;
  readonly #permissions: Permissions;
  readonly #known: ReadonlyMap<Action, Map<string, CompiledVerdict>>;

  constructor(identity: Identity, permissions: Permissions) {
    this.identity = identity;
    this.#permissions = permissions;
    this.#known = new Map(ACTIONS.map((action) => [action, new Map<string, CompiledVerdict>()]));
  }

  for(action: Action, name: string): CompiledVerdict {
    const known = this.#known.get(action) as Map<string, CompiledVerdict>;
    let verdict = known.get(name);
    if (verdict === undefined) {
      if (known.size >= MAX_NAMES) known.clear();
      verdict = this.#compile(action, name);
      known.set(name, verdict);
    }
    return verdict;
  }

  #compile(action: Action, name: string): CompiledVerdict {
    const verdict = this.#permissions.decide(this.identity, action, name);
    if (!verdict.allowed || verdict.where === null) return { allowed: verdict.allowed, rows: null };
    const { matches, filterNeedsValue } = compileQuery({ where: verdict.where });
    return { allowed: true, rows: { where: verdict.where, needsValue: filterNeedsValue, matches } };
  }
}
