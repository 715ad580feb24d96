/**
 * A pattern over names: `*` stands for any run of characters, the empty one and separators included; every other
 * character stands for itself. Matching takes time proportional to pattern and name at worst: no backtracking.
 */
export class Glob {
  readonly #parts: readonly string[];

  constructor(pattern: string) {
    this.#parts = pattern.split('*');
  }

  matches(name: string): boolean {
    const parts = this.#parts;
    const first = parts[0] as string;
    if (parts.length === 1) return name === first;
    const last = parts[parts.length - 1] as string;
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    const end = name.length - last.length;
    let from = first.length;
    // The leftmost place for each part leaves the most room for the parts behind it.
    for (let i = 1; i < parts.length - 1; i++) {
      const part = parts[i] as string;
      const at = name.indexOf(part, from);
      if (at < 0 || at + part.length > end) return false;
      from = at + part.length;
    }
    return true;
  }
}
