import { encodeValue } from '@topgunbuild/core';

/** A record as applications store them, about 100 bytes as an operation. */
export interface Sample {
  readonly id: number;
  readonly title: string;
  readonly done: boolean;
  readonly owner: string;
}

export function sample(i: number): Sample {
  return { id: i, title: `Buy ${i % 1000} litres of milk`, done: i % 3 === 0, owner: `user-${i % 97}` };
}

/** Encoded samples, for generators that must not spend their time on encoding. */
export const ENCODED: readonly Uint8Array[] = Array.from({ length: 1000 }, (_, i) => encodeValue(sample(i + 1000)));

/** The same clock in every process of the machine, in ms. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Bytes of memory that are in use after a collection, on the heap and beside it. Needs `--expose-gc`. */
export function memoryInUse(): { readonly used: number; readonly rss: number } {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  // `external` includes array buffers.
  const { heapUsed, external, rss } = process.memoryUsage();
  return { used: heapUsed + external, rss };
}
