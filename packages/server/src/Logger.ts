/**
 * Where a node writes what an operator may want to know. A pino logger fits. Tokens, keys, values and URLs never reach
 * it. Engines take it as an optional port; without one they are silent, as a library should be.
 */
export interface Logger {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

const ignore = (): void => undefined;

export const SILENT: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
