/** Strings by small number, counted: a number is free again when its last user has let go. */
export class Interner {
  readonly #numbers = new Map<string, number>();
  readonly #strings: string[] = [];
  readonly #uses: number[] = [];
  readonly #free: number[] = [];

  acquire(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) {
      this.#uses[known] = (this.#uses[known] as number) + 1;
      return known;
    }
    const number = this.#free.pop() ?? this.#strings.length;
    this.#numbers.set(text, number);
    this.#strings[number] = text;
    this.#uses[number] = 1;
    return number;
  }

  release(number: number): void {
    const uses = (this.#uses[number] as number) - 1;
    this.#uses[number] = uses;
    if (uses > 0) return;
    this.#numbers.delete(this.#strings[number] as string);
    this.#strings[number] = '';
    this.#free.push(number);
  }

  get(number: number): string {
    return this.#strings[number] as string;
  }

  get size(): number {
    return this.#numbers.size;
  }
}
