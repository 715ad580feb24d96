import { readFileSync } from 'node:fs';
import type { Rule } from '@topgunbuild/server';
import { messageOf, usageError } from '../CliError.js';

/** The JSON of a rules file. What is in it is checked by the node, before it starts. @throws CliError */
export function readRules(file: string): readonly Rule[] {
  let rules: unknown;
  try {
    rules = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw usageError(`--rules ${file} cannot be read as JSON: ${messageOf(error)}`, error);
  }
  // Undefined rules would allow everything, so whatever is no list must not come near them.
  if (!Array.isArray(rules))
    throw usageError(`--rules ${file} must hold a list of rules, such as [{"maps":"*","allow":["read"]}]`);
  return rules as readonly Rule[];
}
