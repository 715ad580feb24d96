/** Where a client writes what an operator may want to know. A pino logger fits, and `console` does. Tokens and values never reach it. */
export interface Logger {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}
