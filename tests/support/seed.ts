/**
 * Where tests begin that draw their cases: the same cases in every run, so that a red run means a change and not bad luck.
 * TOPGUN_SEED=N draws others, and repeats them.
 */
export const SEED = seedFrom(process.env.TOPGUN_SEED);

function seedFrom(text: string | undefined): number {
  if (text === undefined || text === '') return 1;
  const seed = Number(text);
  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31) return seed;
  throw new Error(`TOPGUN_SEED is a whole number from 0 to 2^31 - 1, not "${text}".`);
}
