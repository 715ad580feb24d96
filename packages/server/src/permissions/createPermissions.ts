import type { Logger } from '../Logger.js';
import { FunctionPermissions } from './FunctionPermissions.js';
import { ALLOWED, type Permissions } from './Permissions.js';
import { parseRules } from './parseRules.js';
import type { PermissionFunction, Rule } from './Rule.js';
import { RulePermissions } from './RulePermissions.js';

/** Every subject that got in may do everything: a single-tenant node without rules. */
export const ALLOW_ALL: Permissions = { decide: () => ALLOWED, guardsRows: false };

/**
 * Undefined: everything is allowed to whoever authenticated. A list allows what it names and nothing else, so the empty
 * list denies everything.
 * @throws TopGunError INVALID_VALUE or INVALID_QUERY for rules that are wrong
 */
export function createPermissions(
  permissions: readonly Rule[] | PermissionFunction | undefined,
  logger: Logger,
): Permissions {
  if (permissions === undefined) return ALLOW_ALL;
  if (typeof permissions === 'function') return new FunctionPermissions(permissions, logger);
  return new RulePermissions(parseRules(permissions));
}
