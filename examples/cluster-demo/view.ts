import { count, cut, ms, type Paint, pad, sparkline, widthOf } from './paint.js';

export interface NodeView {
  readonly name: string;
  readonly address: string;
  /** What it is doing now. */
  readonly state: string;
  readonly isUp: boolean;
  readonly partitions: number;
  readonly acksPerSecond: number;
  /** Acks by step, oldest first. */
  readonly acks: readonly number[];
}

export interface WriteView {
  readonly key: string;
  readonly partition: number;
  /** Indexes of nodes, -1 = nobody: the owner when it was written, and when it was acked. */
  readonly from: number;
  readonly by: number;
  /** Until the ack, or until now. */
  readonly ms: number;
  readonly isAcked: boolean;
}

export interface DemoView {
  readonly elapsedMs: number;
  /** What is happening, in a sentence. */
  readonly headline: string;
  readonly isAlarm: boolean;
  readonly nodes: readonly NodeView[];
  readonly mapVersion: number;
  /** By partition: the index of its owner, -1 = nobody that is reached. */
  readonly owners: readonly number[];
  /** By partition: writes wait there. */
  readonly waiting: readonly boolean[];
  readonly acked: number;
  readonly unanswered: number;
  readonly acksPerSecond: number;
  readonly acks: readonly number[];
  /** Acks in a step, if all goes as planned. */
  readonly acksPlanned: number;
  readonly latency: { readonly p50: number; readonly p99: number } | null;
  readonly routes: { readonly direct: number; readonly fallback: number; readonly notOwner: number };
  /** The gap that is being measured or was measured last. */
  readonly gap: { readonly ms: number; readonly isOver: boolean; readonly others: number } | null;
  readonly writes: readonly WriteView[];
  /** The second client: how long ago the newest order that it sees was made, when it saw it. */
  readonly reader: { readonly rows: number; readonly behindMs: number | null };
  readonly events: readonly { readonly atMs: number; readonly text: string }[];
}

const MAX_WIDTH = 100;
const MIN_WIDTH = 60;
const BAR = 16;
/** Of the writes that are shown, where there is little room. */
const FEW_WRITES = 3;
const EVENTS = 8;

/** The screen as lines: at most `rows` of them, none wider than `columns`. */
export function view(demo: DemoView, paint: Paint, columns: number, rows: number): string[] {
  const width = Math.max(MIN_WIDTH, Math.min(columns, MAX_WIDTH) - 2);
  const heading = [title(demo, paint, width)];
  const nodes = nodeLines(demo, paint, width);
  const partitions = partitionLines(demo, paint, width);
  const traffic = trafficLines(demo, paint, width);
  const writes = writeLines(demo, paint, 5);
  const roomy = [heading, nodes, partitions, traffic, writes].flatMap((part) => [...part, '']);
  const compact = [heading, nodes, partitions, traffic, writeLines(demo, paint, FEW_WRITES)].flat();
  const upper = roomy.length + 1 + EVENTS <= rows ? roomy : compact;
  const events = eventLines(demo, paint, Math.max(1, rows - upper.length - 1));
  return [...upper, ...events].slice(0, rows).map((line) => cut(` ${line}`, columns));
}

function title({ headline, isAlarm, elapsedMs }: DemoView, paint: Paint, width: number): string {
  const name = paint.bold('TopGun');
  const text = isAlarm ? paint.alarm(` ${headline} `) : headline;
  return between(`${name}  ${text}`, paint.dim(clock(elapsedMs)), width);
}

function nodeLines({ nodes, acksPlanned }: DemoView, paint: Paint, width: number): string[] {
  const spark = Math.max(8, width - 66);
  // Twice the fair share: what a node has to do when others are dead still fits.
  const most = (acksPlanned / nodes.length) * 2;
  const head = `${pad('NODE', 19)}${pad('PARTITIONS', BAR + 6)}${pad('ACKS/S', spark + 8)}  STATE`;
  return [
    paint.dim(head),
    ...nodes.map((node, index) => {
      const { name, address, isUp, partitions, acks, acksPerSecond, state } = node;
      const lamp = isUp ? paint.node(index, '●') : paint.red('✖');
      const bar = paint.node(index, '█'.repeat(Math.round((partitions / 271) * BAR * 2)).slice(0, BAR));
      return [
        `${lamp} ${pad(paint.node(index, name), 9)}${pad(paint.dim(address), 8)}`,
        `${pad(bar, BAR)} ${pad(String(partitions), 4, 'start')} `,
        `${paint.node(index, sparkline(acks.slice(-spark), most))}${pad(count(acksPerSecond), 7, 'start')} `,
        ` ${isUp ? state : paint.red(state)}`,
      ].join('');
    }),
  ];
}

function partitionLines({ owners, waiting, mapVersion }: DemoView, paint: Paint, width: number): string[] {
  const title = between(
    paint.dim('271 PARTITIONS, BY OWNER'),
    `${paint.dim('partition map')} ${paint.bold(`v${mapVersion}`)}`,
    width,
  );
  const perLine = Math.min(width, Math.ceil(owners.length / Math.ceil(owners.length / width)));
  const cells = owners.map((owner, partition) => {
    if (waiting[partition] === true) return paint.red('×');
    const mark = paint.isColourful ? '■' : owner < 0 ? '·' : String(owner + 1);
    return owner < 0 ? paint.red(mark) : paint.node(owner, mark);
  });
  const lines = Array.from({ length: Math.ceil(cells.length / perLine) }, (_, line) =>
    cells.slice(line * perLine, (line + 1) * perLine).join(''),
  );
  return [title, ...lines];
}

/** What the client does, and what comes of it. */
function trafficLines(demo: DemoView, paint: Paint, width: number): string[] {
  const { acksPerSecond, latency, acked, unanswered, acks, acksPlanned, routes, gap, reader } = demo;
  const { direct, fallback, notOwner } = routes;
  const total = direct + fallback;
  const share = total === 0 ? '-' : `${((direct / total) * 100).toFixed(2)} %`;
  const [p50, p99] = latency === null ? ['-', '-'] : [ms(latency.p50), ms(latency.p99)];
  const label = (text: string): string => paint.dim(pad(text, 9));
  const room = Math.max(10, width - 9);
  const strip = sparkline(acks.slice(-room), acksPlanned);
  return [
    `${label('WRITES')}${paint.bold(count(acksPerSecond))} acked/s   p50 ${paint.bold(p50)}   p99 ${paint.bold(p99)}   ${paint.bold(count(acked))} acked, ${unanswered} under way`,
    `${label('')}${paint.green(strip)}`,
    `${label('ROUTES')}${paint.bold(share)} direct   ${count(fallback)} by another node   ${count(notOwner)} sent again to the new owner`,
    `${label('READS')}newest ${reader.rows} orders, live in another client ${reader.behindMs === null ? 'soon' : `${paint.bold(ms(reader.behindMs))} after they were made`}`,
    gap === null
      ? `${label('GAP')}${paint.dim('none so far')}`
      : `${label('GAP')}${gap.isOver ? paint.bold(ms(gap.ms)) : paint.alarm(` ${ms(gap.ms)} `)} for keys of the dead node, ${ms(gap.others)} at most for all others`,
  ];
}

function writeLines({ writes, nodes }: DemoView, paint: Paint, most: number): string[] {
  const name = (index: number): string => paint.node(index, nodes[index]?.name ?? 'nobody');
  const shown = writes.slice(-most).map(({ key, partition, from, by, isAcked, ms: took }) => {
    const way = isAcked && by !== from ? `${name(from)} ${paint.red('⇢')} ${name(by)}` : name(from);
    const end = isAcked ? `${paint.green('✓')} ${ms(took)}` : paint.red(`waiting ${ms(took)}`);
    return `${pad(key, 17)}${pad(String(partition), 12)}${pad(way, 24)}${end}`;
  });
  const head = `${pad('SOME WRITES', 17)}${pad('PARTITION', 12)}${pad('SERVED BY', 24)}ACK`;
  return [paint.dim(head), ...shown, ...Array.from({ length: most - shown.length }, () => '')];
}

function eventLines({ events }: DemoView, paint: Paint, room: number): string[] {
  return [
    paint.dim('WHAT HAPPENED'),
    ...events
      .slice(-Math.max(1, room - 1))
      .map(({ atMs, text }, index, shown) =>
        index === shown.length - 1
          ? `${paint.dim(clock(atMs))}  ${text}`
          : `${paint.dim(clock(atMs))}  ${paint.dim(text)}`,
      ),
  ];
}

/** Minutes, seconds and tenths. */
export function clock(elapsedMs: number): string {
  const tenths = Math.floor(elapsedMs / 100);
  const seconds = Math.floor(tenths / 10) % 60;
  return `${String(Math.floor(tenths / 600)).padStart(2, '0')}:${String(seconds).padStart(2, '0')}.${tenths % 10}`;
}

function between(left: string, right: string, width: number): string {
  return left + ' '.repeat(Math.max(right === '' ? 0 : 1, width - widthOf(left) - widthOf(right))) + right;
}
