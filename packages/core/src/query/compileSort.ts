import { compareStrings, compareValues } from './compareValues.js';
import { readPath, splitPath } from './fieldPath.js';
import { KEY_FIELD, type Sort } from './Query.js';

/** The values that a record is sorted by, in order of weight: all that a window must keep of it. */
export type SortKey = readonly unknown[];

export interface RowOrder {
  compare(aKey: string, aValue: unknown, bKey: string, bValue: unknown): number;
  sortKeyOf(key: string, value: unknown): SortKey;
  /** The same order as `compare`, from kept sort keys. */
  compareSortKeys(aKey: string, aSortKey: SortKey, bKey: string, bSortKey: SortKey): number;
}

interface SortColumn {
  readonly read: (key: string, value: unknown) => unknown;
  /** 1 ascending, -1 descending. */
  readonly sign: number;
}

/** A total order of rows: by the fields of the sort, then by key ascending, whatever the directions of the fields. */
export function compileSort(sort: Sort): RowOrder {
  const columns: readonly SortColumn[] = Object.keys(sort).map((path) => ({
    read: readerOf(path),
    sign: sort[path] === 'desc' ? -1 : 1,
  }));
  return {
    compare(aKey, aValue, bKey, bValue) {
      for (const { read, sign } of columns) {
        const order = compareValues(read(aKey, aValue), read(bKey, bValue));
        if (order !== 0) return order * sign;
      }
      return compareStrings(aKey, bKey);
    },
    sortKeyOf(key, value) {
      return columns.map(({ read }) => read(key, value));
    },
    compareSortKeys(aKey, aSortKey, bKey, bSortKey) {
      let column = 0;
      for (const { sign } of columns) {
        const order = compareValues(aSortKey[column], bSortKey[column]);
        if (order !== 0) return order * sign;
        column++;
      }
      return compareStrings(aKey, bKey);
    },
  };
}

function readerOf(path: string): SortColumn['read'] {
  if (path === KEY_FIELD) return (key) => key;
  const segments = splitPath(path);
  return (_key, value) => readPath(value, segments);
}
