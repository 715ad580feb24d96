import { program } from '../../../packages/cli/src/program.js';

const serve = program('0').commands.find((command) => command.name() === 'serve');
const options = serve?.options ?? [];

/** The environment variables that `topgun serve` knows. */
export const SERVE_VARIABLES: ReadonlySet<string> = new Set(
  options.flatMap(({ envVar }) => (envVar === undefined ? [] : [envVar])),
);

/** Parses `text` as the option of this variable does. @throws what `topgun serve` would say */
export function parseVariable(variable: string, text: string): unknown {
  const option = options.find(({ envVar }) => envVar === variable);
  if (option === undefined) throw new Error(`topgun serve knows no ${variable}`);
  return option.parseArg === undefined ? text : option.parseArg(text, undefined);
}
