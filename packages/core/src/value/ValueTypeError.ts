/** A value that cannot be stored: what is wrong with it, where, and what to store instead. */
export class ValueTypeError extends TypeError {
  readonly code = 'INVALID_VALUE';
  /** Where in the value, such as `.list[3].when`; empty for the value itself. */
  readonly path: string;

  constructor(path: string, problem: string) {
    super(`${path === '' ? 'the value' : `the value at ${path}`} ${problem}`);
    this.name = 'ValueTypeError';
    this.path = path;
  }
}
