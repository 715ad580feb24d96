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
    const end = Math.min(text.length, start + MAX_ARGUMENTS);
    const units: number[] = [];
    for (let i = start; i < end; i++) units.push(text.charCodeAt(i));
    copy += String.fromCharCode.apply(null, units);
  }
  return copy;
}
