/** What merging a row did. */
export const Outcome = {
  /** The record changed. */
  APPLIED: 0,
  /** The record holds something newer; nothing changed. */
  LOST: 1,
  /** The record holds what the row brings already; nothing changed. */
  DUPLICATE: 2,
  /** The record is of another kind; nothing changed. */
  KIND_MISMATCH: 3,
  /** The same operation was seen with another payload; the first stays. */
  CONFLICT: 4,
  /** The record has no room for another element or slot; nothing changed. */
  LIMIT: 5,
} as const;

export type Outcome = (typeof Outcome)[keyof typeof Outcome];
