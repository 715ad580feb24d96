import { readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PORTS_FOLDER } from './natsConfig.js';

/** What a nats-server says of itself in its file of ports. */
export interface ServerPorts {
  readonly pid: number;
  /** For clients, without credentials. */
  readonly url: string;
  /** Of its HTTP monitoring. */
  readonly monitoring: string;
}

const ANSWER_MS = 2_000;
const FILE = /^nats-server_(\d+)\.ports$/;

/** The ports of the server with this directory, or of one that left its file behind; null when there is no file. */
export function readPorts(directory: string): ServerPorts | null {
  const folder = join(directory, PORTS_FOLDER);
  for (const file of filesIn(folder)) {
    const pid = Number(FILE.exec(file)?.[1] ?? Number.NaN);
    const ports = Number.isNaN(pid) ? null : parse(join(folder, file));
    if (ports !== null) return { pid, ...ports };
  }
  return null;
}

/** Forgets servers that did not tidy up. */
export function dropPorts(directory: string): void {
  rmSync(join(directory, PORTS_FOLDER), { recursive: true, force: true });
}

/** The process that uses `directory` as its store now; null when there is none, whatever files were left. */
export async function runningServer(directory: string): Promise<number | null> {
  const ports = readPorts(directory);
  if (ports === null) return null;
  try {
    const response = await fetch(`${ports.monitoring}/varz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const store = storeOf(await response.json());
    // The port may be somebody else's by now.
    return store !== null && realpathSync(store).startsWith(realpathSync(directory)) ? ports.pid : null;
  } catch {
    return null;
  }
}

/** Whether JetStream takes requests: it has its peers, and a leader where there are several. */
export async function isHealthy({ monitoring }: ServerPorts): Promise<boolean> {
  try {
    const url = `${monitoring}/healthz?js-server-only=true`;
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Null while the server is still writing it. */
function parse(file: string): Omit<ServerPorts, 'pid'> | null {
  try {
    const { nats, monitoring } = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, unknown>>;
    const url = firstOf(nats);
    const http = firstOf(monitoring);
    return url === null || http === null ? null : { url, monitoring: http };
  } catch {
    return null;
  }
}

function firstOf(list: unknown): string | null {
  const [first] = Array.isArray(list) ? (list as readonly unknown[]) : [];
  return typeof first === 'string' ? first : null;
}

/** Where the server says that it stores its streams. */
function storeOf(varz: unknown): string | null {
  const { jetstream } = varz as { readonly jetstream?: { readonly config?: { readonly store_dir?: unknown } } };
  const store = jetstream?.config?.store_dir;
  return typeof store === 'string' ? store : null;
}
