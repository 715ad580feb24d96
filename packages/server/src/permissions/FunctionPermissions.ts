import { validateWhere } from '@topgunbuild/core';
import type { Identity } from '../auth/Authenticator.js';
import type { Logger } from '../Logger.js';
import { type Action, ALLOWED, DENIED, type Permissions, type Verdict } from './Permissions.js';
import type { PermissionFunction } from './Rule.js';

/** Permissions by a function of the application. What it throws, or answers in no known form, counts as no. */
export class FunctionPermissions implements Permissions {
  /** Nobody knows beforehand what the function will answer. */
  readonly guardsRows = true;
  readonly #decide: PermissionFunction;
  readonly #logger: Logger;

  constructor(decide: PermissionFunction, logger: Logger) {
    this.#decide = decide;
    this.#logger = logger;
  }

  decide(identity: Identity, action: Action, name: string): Verdict {
    const { subject, roles, claims } = identity;
    try {
      const decision = this.#decide({ subject, roles, claims, action, name });
      if (typeof decision === 'boolean') return decision ? ALLOWED : DENIED;
      if (decision.allow !== true) return DENIED;
      return decision.where === undefined ? ALLOWED : { allowed: true, where: validateWhere(decision.where) };
    } catch (error) {
      this.#logger.error({ err: error, action }, 'the permission function failed: denied');
      return DENIED;
    }
  }
}
