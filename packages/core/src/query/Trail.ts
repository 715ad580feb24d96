import { TopGunError } from '../errors.js';

/** The way from a query to one of its parts, spelled out only when an error names it. */
export interface Trail {
  readonly up: Trail | null;
  readonly step: string | number;
}

/** Names longer than this are cut in messages. */
const MAX_SHOWN_NAME = 64;

/** `problem` says what is wrong and what to do. Names come from outside: they are quoted, escaped and cut. */
export function invalidQuery(trail: Trail, problem: string): TopGunError {
  return new TopGunError('INVALID_QUERY', `${describe(trail)}: ${problem}`);
}

function describe(trail: Trail): string {
  const steps: string[] = [];
  for (let at: Trail | null = trail; at !== null; at = at.up) steps.push(shown(at.step));
  return steps.reverse().join('').replace(/^\./, '');
}

function shown(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`;
  if (/^[$A-Za-z_][$\w]{0,63}$/.test(step)) return `.${step}`;
  return `[${quoted(step)}]`;
}

/** A name from outside, safe to show in a message or a log line. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > MAX_SHOWN_NAME ? `${name.slice(0, MAX_SHOWN_NAME)}…` : name);
}
