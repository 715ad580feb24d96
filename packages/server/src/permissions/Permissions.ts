import type { Where } from '@topgunbuild/core';
import type { Identity } from '../auth/Authenticator.js';

export const ACTIONS = ['read', 'write', 'publish', 'subscribe'] as const;

/** `read` and `write` concern maps, `publish` and `subscribe` topics. */
export type Action = (typeof ACTIONS)[number];

/** What a session may do with one map or topic. `where`: only with rows that match it; null = with all. */
export type Verdict = { readonly allowed: false } | { readonly allowed: true; readonly where: Where | null };

export const DENIED: Verdict = { allowed: false };
export const ALLOWED: Verdict = { allowed: true, where: null };

/** What subjects may do. Judged at the server for every operation, by the session's current claims. */
export interface Permissions {
  decide(identity: Identity, action: Action, name: string): Verdict;
  /** Whether some verdict may carry a `where` for writes: only then must rows be guarded while they are written. */
  readonly guardsRows: boolean;
}
