import { type QueryCost, TopGunError } from '@topgunbuild/core';

/**
 * What the live queries of one session may cost in all. The number of subscriptions alone bounds nothing: every condition
 * is tested on every change of its map, texts to compare with are kept, and so is each row of a window.
 */
const MOST: QueryCost = { conditions: 4_096, text: 4 * 1024 * 1024, windowRows: 200_000 };

const NAMES: Readonly<Record<keyof QueryCost, string>> = {
  conditions: 'conditions',
  text: 'characters',
  windowRows: 'rows within their offsets and limits',
};

export class QueryBudget {
  readonly #used = { conditions: 0, text: 0, windowRows: 0 };
  readonly #factor: number;

  /** `factor`: how many streams one query may be. */
  constructor(factor = 1) {
    this.#factor = factor;
  }

  /** @throws TopGunError LIMIT_EXCEEDED */
  check(cost: QueryCost): void {
    for (const kind of Object.keys(NAMES) as (keyof QueryCost)[]) {
      if (this.#used[kind] + cost[kind] <= MOST[kind] * this.#factor) continue;
      throw new TopGunError(
        'LIMIT_EXCEEDED',
        `the live queries of a session have at most ${MOST[kind]} ${NAMES[kind]} in all; close some`,
      );
    }
  }

  take(cost: QueryCost): void {
    this.#add(cost, 1);
  }

  give(cost: QueryCost): void {
    this.#add(cost, -1);
  }

  #add({ conditions, text, windowRows }: QueryCost, sign: 1 | -1): void {
    this.#used.conditions += sign * conditions;
    this.#used.text += sign * text;
    this.#used.windowRows += sign * windowRows;
  }
}
