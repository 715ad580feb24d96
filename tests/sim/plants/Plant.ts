import type { ChaosKind, Profile } from '../workload/Profile.js';

/** A bug put into the product on purpose, from outside, to see whether the checks find it. */
export interface Plant<P extends Profile = Profile> {
  readonly name: string;
  /** Promises that it breaks: finding any of them broken is finding it. */
  readonly breaks: readonly string[];
  /** Faults without which it would not show. */
  readonly needs: readonly ChaosKind[];
  readonly profile?: (drawn: P) => P;
  /** Returns how to take it out again. */
  readonly install: () => () => void;
}

type Method<F, T> = F extends (...args: infer A) => infer R ? (this: T, ...args: A) => R : never;

/** Puts another method in the place of one. */
export function patch<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  make: (original: Method<T[K], T>) => Method<T[K], T>,
): () => void {
  const original = prototype[name];
  prototype[name] = make(original as Method<T[K], T>) as T[K];
  return () => {
    prototype[name] = original;
  };
}
