import { TopGunError, type Where } from '@topgunbuild/core';
import { z } from 'zod';
import { ACTIONS } from './Permissions.js';
import type { Rule } from './Rule.js';

const MAX_RULES = 1_000;

const names = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

const ruleSchema = z
  .strictObject({
    roles: z.array(z.string().min(1)).min(1).optional(),
    maps: names.optional(),
    topics: names.optional(),
    allow: z.array(z.enum(ACTIONS)).min(1),
    // Checked where it is compiled; here it must come through untouched.
    where: z.custom<Where>().optional(),
  })
  .superRefine((rule, context) => {
    const onMaps = rule.allow.some((action) => action === 'read' || action === 'write');
    const onTopics = rule.allow.some((action) => action === 'publish' || action === 'subscribe');
    const complain = (message: string): void => context.addIssue({ code: 'custom', message });
    // A grant that can never apply is a slip of the pen, and its author believes that it does something.
    if (onMaps !== (rule.maps !== undefined)) complain('maps go with read and write');
    if (onTopics !== (rule.topics !== undefined)) complain('topics go with publish and subscribe');
    if (rule.where !== undefined && onTopics) complain('where filters rows of maps; topics have none');
  });

const rulesSchema = z.array(ruleSchema).max(MAX_RULES);

/**
 * Rules from options or from a file's JSON.
 * @throws TopGunError INVALID_VALUE that names the rule; a node with such rules does not start
 */
export function parseRules(rules: unknown): readonly Rule[] {
  const parsed = rulesSchema.safeParse(rules);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue === undefined ? '' : issue.path.map((step) => `[${String(step)}]`).join('');
  throw new TopGunError('INVALID_VALUE', `permissions${place}: ${issue?.message ?? 'wrong form'}`);
}
