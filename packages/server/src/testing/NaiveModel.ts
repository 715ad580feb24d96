import { compareTimestamps, compileQuery, Kind, type Query, type Timestamp, type Where } from '@topgunbuild/core';
import { DEFAULT_MAP, type Op } from './ops.js';

type Cell =
  | { readonly kind: typeof Kind.LWW; at: Timestamp; value: unknown; isSet: boolean; expires: number }
  | {
      readonly kind: typeof Kind.OR;
      readonly added: Map<string, { at: Timestamp; value: unknown }>;
      readonly removed: Set<string>;
    }
  | { readonly kind: typeof Kind.COUNTER; readonly slots: Map<string, { added: number; removed: number }> };

export interface ModelRow {
  readonly key: string;
  readonly value: unknown;
}

/** What a data plane must hold after some ops, worked out in the plainest way, one op after the other. */
export class NaiveModel {
  readonly #cells = new Map<string, Cell>();

  apply(op: Op): void {
    const name = JSON.stringify([op.map ?? DEFAULT_MAP, op.key]);
    const kind = 'set' in op || 'remove' in op ? Kind.LWW : 'totals' in op ? Kind.COUNTER : Kind.OR;
    const cell = this.#cells.get(name);
    if (cell === undefined) this.#cells.set(name, this.#merge(emptyCell(kind), op));
    else if (cell.kind === kind) this.#merge(cell, op);
  }

  /** The rows of a map that are there at `now`, by key. */
  rows(map: string, now: number): ModelRow[] {
    const rows: ModelRow[] = [];
    for (const [name, cell] of this.#cells) {
      const [ofMap, key] = JSON.parse(name) as [string, string];
      const value = valueOfCell(cell, now);
      if (ofMap === map && value !== undefined) rows.push({ key, value });
    }
    return rows;
  }

  /** The rows that a subscriber of `query` holds, by key. With a limit: those up to the end of the window. */
  result(map: string, query: Query, restriction: Where | null, now: number): Map<string, unknown> {
    const asked = compileQuery({ ...query, limit: undefined, offset: undefined });
    const allowed = compileQuery({ where: restriction ?? {} });
    const rows = this.rows(map, now).filter(
      ({ key, value }) => asked.matches(key, value) && allowed.matches(key, value),
    );
    rows.sort((a, b) => asked.compare(a.key, a.value, b.key, b.value));
    const end = query.limit === undefined ? rows.length : (query.offset ?? 0) + query.limit;
    return new Map(rows.slice(0, end).map(({ key, value }) => [key, value]));
  }

  #merge(cell: Cell, op: Op): Cell {
    switch (cell.kind) {
      case Kind.LWW:
        if (compareTimestamps(op.at, cell.at) <= 0) break;
        cell.at = op.at;
        cell.isSet = 'set' in op;
        cell.value = 'set' in op ? op.set : undefined;
        cell.expires = 'set' in op && op.ttlMs !== undefined ? op.at.ms + op.ttlMs : 0;
        break;
      case Kind.OR:
        if ('add' in op && !cell.added.has(nameOf(op.at))) cell.added.set(nameOf(op.at), { at: op.at, value: op.add });
        if ('drop' in op) for (const stamp of op.drop) cell.removed.add(nameOf(stamp));
        break;
      case Kind.COUNTER: {
        if (!('totals' in op)) break;
        const slot = cell.slots.get(op.at.replica) ?? { added: 0, removed: 0 };
        const [added, removed] = op.totals;
        cell.slots.set(op.at.replica, {
          added: Math.max(slot.added, added),
          removed: Math.max(slot.removed, removed),
        });
      }
    }
    return cell;
  }
}

function emptyCell(kind: Kind): Cell {
  if (kind === Kind.OR) return { kind, added: new Map(), removed: new Set() };
  if (kind === Kind.COUNTER) return { kind, slots: new Map() };
  return { kind: Kind.LWW, at: { ms: -1, counter: 0, replica: '' }, value: undefined, isSet: false, expires: 0 };
}

function valueOfCell(cell: Cell, now: number): unknown {
  switch (cell.kind) {
    case Kind.LWW:
      return cell.isSet && (cell.expires === 0 || cell.expires > now) ? cell.value : undefined;
    case Kind.OR: {
      const there = [...cell.added].filter(([name]) => !cell.removed.has(name)).map(([, element]) => element);
      there.sort((a, b) => compareTimestamps(a.at, b.at));
      return there.length === 0 ? undefined : there.map(({ value }) => value);
    }
    case Kind.COUNTER: {
      let value = 0;
      for (const slot of cell.slots.values()) value += slot.added - slot.removed;
      return value;
    }
  }
}

function nameOf({ ms, counter, replica }: Timestamp): string {
  return `${ms}:${counter}:${replica}`;
}
