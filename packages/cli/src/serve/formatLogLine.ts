const LEVELS: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info', 40: 'WARN', 50: 'ERROR', 60: 'FATAL' };

/** One line of pino's JSON for people: `14:03:07 info  serving url=ws://... node=a`, then a stack if there is one. */
export function formatLogLine(line: string): string {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return line;
  }
  const { time, level, msg, err, ...details } = entry as Readonly<Record<string, unknown>>;
  const clock = new Date(Number(time)).toTimeString().slice(0, 8);
  const name = (LEVELS[Number(level)] ?? 'info').padEnd(5);
  const words = Object.entries(details).map(([key, value]) => `${key}=${show(value)}`);
  return `${[clock, name, show(msg), ...words].join(' ')}\n${stackOf(err)}`;
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function stackOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { stack, message } = error as { readonly stack?: unknown; readonly message?: unknown };
  return `  ${String(stack ?? message)}\n`;
}
