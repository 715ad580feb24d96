import { isWellFormed } from '../wire/utf8.js';
import { MAX_TEXT } from './FieldReader.js';

/**
 * `text` as a message may carry it: no longer than readers take, and without halves of surrogate pairs, which cutting or
 * quoting what users sent may leave behind. For texts that people read; never for keys or names.
 */
export function plainText(text: string): string {
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
  return isWellFormed(short) ? short : short.replace(SURROGATES, (found) => (found.length === 2 ? found : '\ufffd'));
}

/** Pairs first, so that what matches alone is no half of one. */
const SURROGATES = /[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g;
