/** V8 copies shorter slices anyway (`SlicedString::kMinLength`). */
const SLICE_THRESHOLD = 13;
/** Arguments that a call surely takes. */
const MAX_ARGUMENTS = 8_192;

/**
 * A copy of `text` that shares no memory with a longer string. Keys come out of a batch as slices of one big string;
 * kept as they are, a single surviving key would keep the whole batch in memory.
 */
export function flatCopy(text: string): string {
  if (text.length < SLICE_THRESHOLD) return text;
  let copy = '';
  for (let start = 0; start < text.length; start += MAX_ARGUMENTS) {
    // Not the sum of short slices, though that is quicker: it would stay a tree of strings, larger than the text.
    const units = new Array<number>(Math.min(text.length - start, MAX_ARGUMENTS));
    for (let i = 0; i < units.length; i++) units[i] = text.charCodeAt(start + i);
    copy += String.fromCharCode.apply(null, units);
  }
  return copy;
}
