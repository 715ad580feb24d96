/** What the environment of a run says. */
export interface Settings {
  readonly seeds: readonly string[];
  /** '': none. */
  readonly token: string;
  readonly vus: number;
  readonly durationMs: number;
  /** Operations that are written together. */
  readonly batch: number;
  /** Operations of a VU without an answer, at most. */
  readonly inFlight: number;
  readonly valueBytes: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/** @throws Error that names the variable */
export function readSettings(env: Environment): Settings {
  const batch = wholeNumber(env, 'BATCH', 100, 1);
  const seeds = (env.SEEDS ?? 'ws://127.0.0.1:8080').split(',').map((seed) => seed.trim());
  return {
    seeds: seeds.filter((seed) => seed !== ''),
    token: env.TOKEN ?? '',
    vus: wholeNumber(env, 'VUS', 50, 1),
    durationMs: duration(env.DURATION ?? '60s'),
    batch,
    inFlight: wholeNumber(env, 'IN_FLIGHT', batch * 4, batch),
    valueBytes: wholeNumber(env, 'VALUE_BYTES', 100, 8),
  };
}

function wholeNumber(env: Environment, name: string, otherwise: number, least: number): number {
  const text = env[name] ?? String(otherwise);
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < least) {
    throw new Error(`${name} must be a whole number, at least ${least}, not "${text}".`);
  }
  return number;
}

function duration(text: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS[unit] ?? Number.NaN);
  if (!(ms >= 1)) throw new Error(`DURATION must be a time such as 60s, 500ms or 2m, not "${text}".`);
  return ms;
}
