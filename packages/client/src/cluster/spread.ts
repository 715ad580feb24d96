/** A whole number from 0 to `count` - 1 for `name`: spreads names evenly, the same way each time. */
export function spread(name: string, count: number): number {
  let sum = 0;
  for (let i = 0; i < name.length; i++) sum = (sum * 31 + name.charCodeAt(i)) % 1_000_003;
  return count === 0 ? 0 : sum % count;
}
