/** Below this product of lengths the engine's own search cannot take long, whatever the texts are. */
const HARMLESS = 1_000_000;

/**
 * A test for texts with `part` in them, in time proportional to the text. `String.includes` is quicker on most, but takes
 * the product of both lengths on texts that are made for it: half a megabyte keeps it busy for twenty seconds, and
 * both texts may come from strangers.
 */
export function containsText(part: string): (text: string) => boolean {
  let borders: Int32Array | null = null;
  return (text) => {
    if (text.length * part.length <= HARMLESS) return text.includes(part);
    borders ??= bordersOf(part);
    return search(text, part, borders);
  };
}

/** Knuth, Morris and Pratt: at each place of `part`, how long a proper prefix of it ends there. */
function bordersOf(part: string): Int32Array {
  const borders = new Int32Array(part.length);
  let length = 0;
  for (let i = 1; i < part.length; i++) {
    const unit = part.charCodeAt(i);
    while (length > 0 && unit !== part.charCodeAt(length)) length = borders[length - 1] as number;
    if (unit === part.charCodeAt(length)) length++;
    borders[i] = length;
  }
  return borders;
}

function search(text: string, part: string, borders: Int32Array): boolean {
  let matched = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    while (matched > 0 && unit !== part.charCodeAt(matched)) matched = borders[matched - 1] as number;
    if (unit === part.charCodeAt(matched)) matched++;
    if (matched === part.length) return true;
  }
  return false;
}
