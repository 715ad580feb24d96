import type { Command } from 'commander';
import { usageError } from '../CliError.js';

/**
 * Of options that exclude each other, the one that was given: a name, or null for none. The command line wins over the
 * environment. `names` are those of the parsed values, each with the flag that users know.
 * @throws CliError when two were given at the same place
 */
export function chooseOne<Name extends string>(command: Command, names: Readonly<Record<Name, string>>): Name | null {
  for (const source of ['cli', 'env']) {
    const given = (Object.keys(names) as Name[]).filter((name) => command.getOptionValueSource(name) === source);
    const [first, second] = given;
    if (first !== undefined && second !== undefined) {
      throw usageError(`${names[first]} and ${names[second]} exclude each other; give one of them`);
    }
    if (first !== undefined) return first;
  }
  return null;
}
