import { Writable } from 'node:stream';
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { formatLogLine } from './formatLogLine.js';
import type { LogLevel } from './LogLevel.js';

/** Logs to stderr: for people on a terminal, as JSON lines otherwise. Written at once, so that a crash loses none. */
export function createLogger(level: LogLevel, isTerminal: boolean): Logger {
  if (!isTerminal)
    return pino({ level, base: null, timestamp: stdTimeFunctions.isoTime }, destination({ dest: 2, sync: true }));
  const lines = new Writable({
    decodeStrings: false,
    write(line: string | Buffer, _encoding, done) {
      process.stderr.write(formatLogLine(String(line)));
      done();
    },
  });
  return pino({ level, base: null }, lines);
}
