/**
 * Keys with writes under way, and who writes them. Whether a subject may overwrite a row is judged by the row that is
 * there; while another subject's write to that key is under way nobody knows what will be there, so a judgement by row
 * has to wait. Used only where rules look at rows.
 */
export class RowGuard {
  readonly #writers = new Map<string, { subject: string | null; writes: number }>();

  /** True: a subject other than `subject` has a write to the key under way. */
  isContended(map: string, key: string, subject: string): boolean {
    const writer = this.#writers.get(idOf(map, key));
    return writer !== undefined && writer.subject !== subject;
  }

  enter(map: string, key: string, subject: string): void {
    const id = idOf(map, key);
    const writer = this.#writers.get(id);
    if (writer === undefined) {
      this.#writers.set(id, { subject, writes: 1 });
      return;
    }
    writer.writes++;
    // Null equals nobody: with two subjects at work, every one of them has another beside it.
    if (writer.subject !== subject) writer.subject = null;
  }

  leave(map: string, key: string): void {
    const id = idOf(map, key);
    const writer = this.#writers.get(id);
    if (writer === undefined) return;
    writer.writes--;
    if (writer.writes === 0) this.#writers.delete(id);
  }

  get size(): number {
    return this.#writers.size;
  }
}

/** Unambiguous whatever characters the two have. */
function idOf(map: string, key: string): string {
  return `${map.length}:${map}${key}`;
}
