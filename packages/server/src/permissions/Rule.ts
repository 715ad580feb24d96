import type { Where } from '@topgunbuild/core';
import type { Action } from './Permissions.js';

/**
 * One grant. A rule names maps or topics, and what is allowed there; what no rule allows is denied. Where several rules
 * allow the same, each adds its rows.
 */
export interface Rule {
  /** Who it is for: subjects with at least one of these roles. Absent: every subject. */
  readonly roles?: readonly string[] | undefined;
  /** Globs of map names: `*` stands for any characters, everything else for itself. */
  readonly maps?: string | readonly string[] | undefined;
  /** Globs of topic names. */
  readonly topics?: string | readonly string[] | undefined;
  readonly allow: readonly Action[];
  /**
   * Only rows that match, in the language of queries. `'$sub'` stands for the token's subject and `'$claims.a.b'` for a
   * claim; `'$$...'` is the text `'$...'`. A list claim fits `$in` and `$nin`. A rule whose claim is missing allows nothing.
   */
  readonly where?: Where | undefined;
}

/** What a permission function is asked. */
export interface PermissionContext {
  readonly subject: string;
  readonly roles: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
  readonly action: Action;
  /** The map or topic. */
  readonly name: string;
}

/** `where` restricts maps to matching rows. */
export type Decision = boolean | { readonly allow: boolean; readonly where?: Where | undefined };

/** Must answer at once and always alike for the same context: answers are kept for as long as a session's claims last. */
export type PermissionFunction = (context: PermissionContext) => Decision;
