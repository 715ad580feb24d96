/**
 * A copy of `text` that shares no memory with a longer string. Keys come out of a batch as slices of one big string;
 * kept as they are, a single surviving key would keep the whole batch in memory.
 */
export function flatCopy(text: string): string {
  if (text.length < SLICE_THRESHOLD) return text;
  const codes: number[] = [];
  for (let i = 0; i < text.length; i++) codes.push(text.charCodeAt(i));
  return String.fromCharCode.apply(null, codes);
}

/** V8 copies shorter slices anyway (`SlicedString::kMinLength`). */
const SLICE_THRESHOLD = 13;
