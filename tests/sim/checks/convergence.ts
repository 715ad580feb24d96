import type { History } from '../history/History.js';
import { evaluate, type Item } from '../workload/queries.js';
import type { SimClient } from '../workload/SimClient.js';
import type { World } from '../world/World.js';
import { type FinalState, liveItems } from './FinalState.js';

/** Promise 3: now that all is quiet, everybody sees what the node holds, as far as it may and wants to. */
export function checkConvergence(world: World, state: FinalState): void {
  for (const client of world.clients) if (client.client !== null) checkClient(world, state, client);
}

function checkClient(world: World, state: FinalState, sim: SimClient): void {
  const { history } = world;
  const { client, interests, profile } = sim;
  if (client === null) return;
  const visible = (map: string): Map<string, Item> => {
    const items = liveItems(state, map, world.dataNow());
    if (profile.role !== 'user' || map !== 'docs') return items;
    return new Map([...items].filter(([, item]) => item.owner === profile.subject));
  };
  // The author of a write that lost against a row outside of his rights is not told, or he would learn of that row.
  const own = (item: Item): boolean =>
    profile.role === 'user' && item.owner !== '' && item.id.startsWith(`${profile.name}#`);
  for (const map of ['items', 'docs'] as const) {
    if (interests[map])
      compareItems(
        history,
        `${profile.name} map ${map}`,
        visible(map),
        [...client.getMap<Item>(map)],
        map === 'docs' ? own : () => false,
      );
  }
  for (const key of world.profile.keys) {
    if (interests.tags) {
      const expected = [...new Set(state.or.get(key)?.elements.values() ?? [])].sort().join();
      const shown = [...client.getORMap<string>('tags').get(key)].sort().join();
      if (shown !== expected)
        history.violate('3', `${profile.name} tags/${key}: [${shown}], the node has [${expected}]`);
    }
    if (interests.hits) {
      const expected = (state.counters.get(key) ?? []).reduce((sum, slot) => sum + slot.added - slot.removed, 0);
      const shown = client.getCounter('hits', key).value;
      if (shown !== expected) history.violate('3', `${profile.name} hits/${key}: ${shown}, the node has ${expected}`);
    }
  }
  for (const { map, shape, handle } of sim.queries) {
    // A guest may not read docs, and was told so.
    if (map === 'docs' && profile.role === 'guest') continue;
    const expected = evaluate(shape, visible(map));
    if (map === 'docs' && profile.role === 'user') continue;
    const shown = handle.rows.map(({ key, value }): [string, Item] => [key, value]);
    const name = `${profile.name} query ${map} ${JSON.stringify(shape.query)}`;
    const asText = (rows: readonly [string, Item][]): string => rows.map(([key, { id }]) => `${key}=${id}`).join();
    if (asText(shown) !== asText(expected)) {
      history.violate('3', `${name}: [${asText(shown)}], the node has [${asText(expected)}]`);
    } else if (!handle.isComplete) history.violate('3', `${name} is not complete`);
  }
}

function compareItems(
  history: History,
  what: string,
  expected: ReadonlyMap<string, Item>,
  shown: readonly [string, Item][],
  isExcused: (item: Item) => boolean,
): void {
  const asText = (rows: Iterable<[string, Item]>): string =>
    [...rows]
      .map(([key, { id }]) => `${key}=${id}`)
      .sort()
      .join();
  const judged = shown.filter(([key, item]) => expected.has(key) || !isExcused(item));
  if (asText(judged) !== asText(expected)) {
    history.violate('3', `${what}: [${asText(shown)}], the node has [${asText(expected)}]`);
  }
}
