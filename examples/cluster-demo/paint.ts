/** Text with colours, if there are any. `width` is what a terminal shows of it. */
export interface Paint {
  readonly isColourful: boolean;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  /** White on red. */
  alarm(text: string): string;
  /** In the colour of a node; of nobody with -1. */
  node(index: number, text: string): string;
}

const NODE_COLOURS = [75, 213, 221, 114, 209, 141];
const ESCAPE = `${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`;
const ESCAPES = new RegExp(ESCAPE, 'g');
const CHARACTERS = new RegExp(`${ESCAPE}|.`, 'gsu');

export function paint(isColourful: boolean): Paint {
  const style =
    (code: string) =>
    (text: string): string =>
      isColourful && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text;
  return {
    isColourful,
    bold: style('1'),
    dim: style('2'),
    red: style('1;31'),
    green: style('1;32'),
    alarm: style('1;97;41'),
    node: (index, text) =>
      index < 0 ? style('2')(text) : style(`38;5;${NODE_COLOURS[index % NODE_COLOURS.length]}`)(text),
  };
}

/** How many columns a text takes. */
export function widthOf(text: string): number {
  return [...text.replace(ESCAPES, '')].length;
}

/** Fills up with blanks, on the right, or with `start` on the left. */
export function pad(text: string, width: number, side: 'start' | 'end' = 'end'): string {
  const blanks = ' '.repeat(Math.max(0, width - widthOf(text)));
  return side === 'end' ? text + blanks : blanks + text;
}

/** The text as far as it fits. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let shown = 0;
  // Escapes take no room, and stay all of them: whatever was switched on is switched off.
  return text.replace(CHARACTERS, (part) => {
    if (part.length > 1 && part.startsWith('\x1b')) return part;
    return ++shown <= width ? part : '';
  });
}

const LEVELS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** One column a value; the highest possible is `top`. What is not zero is seen. */
export function sparkline(values: readonly number[], top: number): string {
  return values
    .map((value) => {
      if (value <= 0) return LEVELS[0];
      return LEVELS[Math.max(1, Math.min(8, Math.round((value / Math.max(top, 1)) * 8)))];
    })
    .join('');
}

/** A short time. */
export function ms(value: number): string {
  return value >= 10 ? `${count(value)} ms` : `${value.toFixed(1)} ms`;
}

export function seconds(valueMs: number): string {
  return `${(valueMs / 1_000).toFixed(1)} s`;
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}
