/**
 * The query language: which records of a map (`where`), in which order (`sort`), which of them (`offset`, `limit`).
 *
 * A query is plain data, so that the very same object filters local memory on the client, live streams on the server
 * and rows in a permission rule. What each operator means is told in README.md beside this file.
 */
export interface Query<T = unknown> {
  /** Absent or `{}`: every record. */
  readonly where?: Where<T> | undefined;
  /** Fields in order of weight. Ties, and queries without a sort, are ordered by key ascending. */
  readonly sort?: Sort<T> | undefined;
  /** At most this many rows, 1..10,000. Absent: all. */
  readonly limit?: number | undefined;
  /** Rows to leave out at the start, 0..100,000. */
  readonly offset?: number | undefined;
}

/** The path that stands for a record's key, in `where` and in `sort`. */
export const KEY_FIELD = '_key';

/**
 * Conditions that must all hold. A name is a dotted path of fields (`'owner.id'`) or `_key`; names that begin with `$`
 * are operators. The fields of `T` are offered and checked; any other path is allowed.
 */
export type Where<T = unknown> = {
  readonly [F in FieldOf<T>]?: Condition<Exclude<T[F], undefined>>;
} & {
  readonly _key?: Condition<string>;
  /** All of these; of none: true. */
  readonly $and?: readonly Where<T>[];
  /** At least one of these; of none: false. */
  readonly $or?: readonly Where<T>[];
  readonly $not?: Where<T>;
} & { readonly [path: string]: unknown };

/** A value that the field must equal deeply, or operators that must all hold. */
export type Condition<V = unknown> = Operand<V> | FieldOperators<V>;

export interface FieldOperators<V = unknown> {
  readonly $eq?: Operand<V>;
  /** Also true of a missing field. */
  readonly $ne?: Operand<V>;
  readonly $gt?: Operand<V>;
  readonly $gte?: Operand<V>;
  readonly $lt?: Operand<V>;
  readonly $lte?: Operand<V>;
  readonly $in?: readonly Operand<V>[];
  /** Also true of a missing field. */
  readonly $nin?: readonly Operand<V>[];
  readonly $exists?: boolean;
  readonly $startsWith?: string;
  /** A part of a string, or an element of an array. */
  readonly $contains?: unknown;
  /** The opposite of a condition; also true of a missing field. */
  readonly $not?: Condition<V>;
}

export type Direction = 'asc' | 'desc';

/**
 * Paths and directions. The order of the properties is the order of weight, as JavaScript keeps it: names that look
 * like array indexes (`'0'`) always come first.
 */
export type Sort<T = unknown> = { readonly [F in FieldOf<T>]?: Direction } & { readonly _key?: Direction } & {
  readonly [path: string]: Direction;
};

/** What a condition on a field of type `V` may be compared with: `null` always, and numbers of either kind. */
export type Operand<V> = (V extends number | bigint ? number | bigint : V) | null;

/** The named string fields of `T`; index signatures are left to the free paths. Numbers and texts have methods, no fields. */
export type FieldOf<T> = [T] extends [object]
  ? keyof { [F in keyof T as F extends string ? (string extends F ? never : F) : never]: T[F] } & keyof T
  : never;
