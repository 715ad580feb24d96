/** What a child process can be asked to do, by name. */
export type Role = Readonly<Record<string, (...args: never[]) => unknown>>;

export interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

export interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Makes this process answer the `Child` that started it, and end with it. */
export function answer(role: Role): void {
  const methods = role as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
  const reply = async ({ id, method, args }: Call): Promise<Answer> => {
    try {
      return { id, result: await methods[method]?.(...args) };
    } catch (error) {
      return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  };
  process.on('message', (call) => void reply(call as Call).then((result) => process.send?.(result)));
  process.on('disconnect', () => process.exit());
}
