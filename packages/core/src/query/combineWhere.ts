import type { Where } from './Query.js';

/**
 * Both conditions at once: how a permission rule narrows a query. Absent and empty conditions hold always. The result
 * may be nested a level deeper than a query may ask for; it is meant to be compiled, not checked again.
 */
export function combineWhere(a: Where | undefined, b: Where | undefined): Where | undefined {
  if (holdsAlways(a)) return b;
  if (holdsAlways(b)) return a;
  return { $and: [a, b] };
}

function holdsAlways(where: Where | undefined): where is undefined {
  return where === undefined || Object.keys(where).length === 0;
}
