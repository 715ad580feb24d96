/** Work that goes on step by step, and lets others have their turn, or ends early. */
export interface Pace {
  /** Called after some work, with about how many bytes were worked on. Null: go on at once. */
  breath(bytes: number): Promise<void> | null;
  /** The work is no longer wanted. */
  readonly isAborted: boolean;
}

/** For those who have nothing else to do. */
export const AT_ONCE: Pace = { breath: () => null, isAborted: false };
