/** A measurement, usually beside another one of the same run. */
export interface Row {
  readonly what: string;
  readonly measured: string;
  readonly beside: string;
  /** What was measured, in multiples of what stands beside it; null when there is nothing to compare with. */
  readonly ratio: number | null;
  readonly goal: Goal | null;
}

export type Goal = { readonly atLeast: number } | { readonly atMost: number };

export interface BenchContext {
  /** How often each candidate has its turn; the medians count. */
  readonly rounds: number;
  /** `full`, or a tenth of it in a quick run. */
  scale(full: number): number;
  /** An empty directory on disk, removed after the run. */
  directory(): Promise<string>;
}

export interface Bench {
  readonly name: string;
  /** What is done, in a sentence or two: it stands above the rows. */
  readonly about: string;
  run(context: BenchContext): Promise<readonly Row[]>;
}
