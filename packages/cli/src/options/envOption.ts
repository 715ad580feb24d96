import { Option } from 'commander';

/** An option that can also be set as TOPGUN_..., named after its long flag. The command line wins. */
export function envOption(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.env(variableOf(option.long ?? ''));
}

/** `--jwt-secret` is TOPGUN_JWT_SECRET. */
function variableOf(longFlag: string): string {
  return `TOPGUN_${longFlag.replace(/^--/, '').replaceAll('-', '_').toUpperCase()}`;
}

const SWITCHED_OFF: ReadonlySet<string> = new Set(['0', 'false', 'no', 'off']);
const SWITCHES = ['TOPGUN_MEMORY', 'TOPGUN_NO_AUTH', 'TOPGUN_JSON', 'TOPGUN_HINTS'];

/**
 * Takes variables that mean "not set" out of `env`: empty ones, as `${X:-}` in a compose file leaves behind, and switches
 * that say so. An empty secret must not count as a secret.
 */
export function dropUnsetVariables(env: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith('TOPGUN_') && value === '') delete env[name];
  }
  for (const name of SWITCHES) if (SWITCHED_OFF.has((env[name] ?? '').toLowerCase())) delete env[name];
}
