import { InvalidArgumentError } from 'commander';

/** A whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

const MS_PER_UNIT: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_DAYS = 3_650;

/** Milliseconds of `90s`, `30m`, `1h` or `7d`. */
export function duration(text: string): number {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (MS_PER_UNIT[unit ?? ''] ?? Number.NaN);
  if (ms > 0 && ms <= MAX_DAYS * 86_400_000) return ms;
  throw new InvalidArgumentError('It must be a time such as 90s, 30m, 1h or 7d.');
}

/** A positive number of seconds, fractions allowed. */
export function seconds(text: string): number {
  const value = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0) return value;
  throw new InvalidArgumentError('It must be a positive number of seconds.');
}

/** Names separated by commas; spaces around them do not count. */
export function commaList(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return names;
  throw new InvalidArgumentError('It must be a list such as a,b,c.');
}

export function filled(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('It must not be empty.');
}

const PROTOCOLS: Readonly<Record<string, string>> = {
  'ws:': 'http:',
  'wss:': 'https:',
  'http:': 'http:',
  'https:': 'https:',
};

/** The URL of a node: ws, wss, http or https. */
export function nodeUrl(text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : '';
  if (Object.hasOwn(PROTOCOLS, protocol)) return text;
  throw new InvalidArgumentError('It must be a URL such as ws://127.0.0.1:8080.');
}

/** URLs of nodes, separated by commas. */
export function nodeUrls(text: string): readonly string[] {
  return commaList(text).map(nodeUrl);
}

/** The HTTP URL of `path` at the node with this URL. */
export function httpUrl(url: string, path: string): URL {
  const result = new URL(url.replace(/^ws/i, 'http'));
  result.pathname = path;
  result.search = '';
  return result;
}
