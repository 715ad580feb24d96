export type Labels = Readonly<Record<string, string | number>>;
export type Sample = readonly [value: number, labels?: Labels];

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Writes metrics in Prometheus' text exposition format, version 0.0.4. */
export class MetricsText {
  static readonly contentType = CONTENT_TYPE;
  readonly #lines: string[] = [];

  counter(name: string, help: string, ...samples: readonly Sample[]): void {
    this.#head(name, help, 'counter');
    for (const [value, labels] of samples) this.#sample(name, value, labels);
  }

  gauge(name: string, help: string, ...samples: readonly Sample[]): void {
    this.#head(name, help, 'gauge');
    for (const [value, labels] of samples) this.#sample(name, value, labels);
  }

  /** `counts` are per bucket, one more than `bounds`; the format wants each bucket to hold all smaller ones. */
  histogram(name: string, help: string, bounds: readonly number[], counts: readonly number[], sum: number): void {
    this.#head(name, help, 'histogram');
    let below = 0;
    counts.forEach((count, index) => {
      below += count;
      this.#sample(`${name}_bucket`, below, { le: bounds[index] ?? '+Inf' });
    });
    this.#sample(`${name}_sum`, sum);
    this.#sample(`${name}_count`, below);
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  #head(name: string, help: string, type: string): void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }

  #sample(name: string, value: number, labels: Labels = {}): void {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(String(text))}"`);
    this.#lines.push(`${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`);
  }
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
