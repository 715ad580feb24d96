import {
  compareStamps,
  counterValue,
  decodeCounterState,
  decodeOrState,
  decodeValue,
  type EntryBatch,
  Kind,
  kindOfTag,
  type RecordTable,
  Tag,
  valueEquals,
} from '@topgunbuild/core';

/** The value of a record of any kind; undefined for a removed one. */
export function decodeRecord(table: RecordTable, slot: number): unknown {
  switch (table.tag(slot)) {
    case Tag.LWW_SET:
      return decodeValue(table.source(slot), table.start(slot), table.end(slot));
    case Tag.OR_STATE:
      return decodeOrState(table.bytes(slot)).elements.map((element) => decodeValue(element.value));
    case Tag.COUNTER_STATE:
      return counterValue(decodeCounterState(table.bytes(slot)));
    default:
      return undefined;
  }
}

/** Whether the record that `table` has for a key is row `index` of `rows`. */
export function isSameRow(table: RecordTable, rows: EntryBatch, index: number): boolean {
  const slot = table.find(rows.keys[index] as string);
  if (slot < 0 || table.tag(slot) !== rows.tags[index] || table.ms(slot) !== rows.ms[index]) return false;
  if (table.counter(slot) !== rows.counters[index] || table.replica(slot) !== rows.replicas[index]) return false;
  const bytes = table.bytes(slot);
  const others = rows.bytes(index);
  return bytes.length === others.length && bytes.every((byte, at) => byte === others[at]);
}

/** Whether row `index` of `rows` is older than the last-writer-wins record that `table` has for its key. */
export function isOlderRow(table: RecordTable, rows: EntryBatch, index: number): boolean {
  const slot = table.find(rows.keys[index] as string);
  if (slot < 0 || table.kind(slot) !== Kind.LWW || kindOfTag(rows.tags[index] as number) !== Kind.LWW) return false;
  const own: [number, number, string] = [table.ms(slot), table.counter(slot), table.replica(slot)];
  return (
    compareStamps(rows.ms[index] as number, rows.counters[index] as number, rows.replicas[index] as string, ...own) < 0
  );
}

/** Undefined, which is no value, equals itself only. */
export function isSameValue(a: unknown, b: unknown): boolean {
  return a === b || (a !== undefined && b !== undefined && valueEquals(a, b));
}
