import type { IncomingMessage, ServerResponse } from 'node:http';
import { MetricsText } from '../metrics/MetricsText.js';

/** What the endpoints tell. */
export interface NodeReport {
  /** Why the node must not get traffic now; null = it serves. */
  readyProblem(): string | null;
  /** The metrics in Prometheus' text format, null before there are any. Null instead: they are switched off. */
  readonly metrics: (() => string | null) | null;
  /** Null before there is a cluster to tell of. */
  cluster(): unknown;
}

type Route = (report: NodeReport) => Answer;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const NOT_YET: Answer = { status: 503, type: TEXT, body: 'the node is starting or has stopped\n' };

/*
 * None of these asks for a token: probes and scrapers have none, and nothing here names a key, a value or a subject.
 * A node that the world can reach should have them behind its proxy or firewall; see docs on deployment.
 */
const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/healthz', () => ({ status: 200, type: TEXT, body: 'ok\n' })],
  ['/readyz', readiness],
  ['/metrics', metrics],
  ['/cluster', cluster],
]);

/** The HTTP endpoints of a node. */
export class HttpApi {
  readonly #report: NodeReport;

  constructor(report: NodeReport) {
    this.#report = report;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    // Bodies are of no use here; they are read and dropped, so that the connection can go on.
    request.resume();
    const answer = this.#answer(request);
    response.writeHead(answer.status, {
      'content-type': answer.type,
      'content-length': Buffer.byteLength(answer.body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(answer.status === 405 ? { allow: 'GET, HEAD' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  }

  #answer(request: IncomingMessage): Answer {
    const route = ROUTES.get(pathOf(request.url ?? '/'));
    if (route === undefined) return { status: 404, type: TEXT, body: 'not found\n' };
    if (request.method !== 'GET' && request.method !== 'HEAD') return { status: 405, type: TEXT, body: 'only GET\n' };
    return route(this.#report);
  }
}

function readiness(report: NodeReport): Answer {
  const problem = report.readyProblem();
  return problem === null
    ? { status: 200, type: TEXT, body: 'ready\n' }
    : { status: 503, type: TEXT, body: `${problem}\n` };
}

function metrics(report: NodeReport): Answer {
  if (report.metrics === null) return { status: 404, type: TEXT, body: 'metrics are switched off\n' };
  const body = report.metrics();
  return body === null ? NOT_YET : { status: 200, type: MetricsText.contentType, body };
}

function cluster(report: NodeReport): Answer {
  const cluster = report.cluster();
  return cluster === null ? NOT_YET : { status: 200, type: JSON_TYPE, body: `${JSON.stringify(cluster)}\n` };
}

function pathOf(target: string): string {
  const end = target.search(/[?#]/);
  return end < 0 ? target : target.slice(0, end);
}
