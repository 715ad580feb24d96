/** What a query may hold at most. Together they bound what compiling and matching can cost. */
export const QUERY_LIMITS = {
  /** Levels of `where` within `$and`, `$or` and `$not`, and levels of arrays and objects within a compared value. */
  depth: 16,
  /** Operators on fields, in total; an empty `where` or list of them counts as one. */
  conditions: 256,
  /** Values of one `$in` or `$nin`. */
  listedValues: 1_000,
  pathSegments: 16,
  /** UTF-16 code units. */
  pathLength: 1_024,
  sortFields: 8,
  limit: 10_000,
  offset: 100_000,
} as const;
