import vm from 'node:vm';
import { transformSync } from 'esbuild';
import { HostSocket } from './HostSocket.js';

/** What V8 has and k6's interpreter does not. */
const NOT_IN_K6 = ['Intl', 'WeakRef', 'FinalizationRegistry', 'SharedArrayBuffer', 'Atomics', 'WebAssembly', 'console'];

export interface VuReport {
  readonly vu: number;
  /** The sum of the samples of each metric, and how many there were. */
  readonly metrics: Record<string, { sum: number; count: number }>;
  /** By name: all of them true. */
  readonly checks: Record<string, boolean>;
  /** What k6 would not have done. */
  readonly faults: string[];
  /** Globals that were asked for and are not there. */
  readonly missing: string[];
  /** Endpoints that sockets were opened to. */
  readonly endpoints: string[];
  /** What kept the iteration from ending in good time. */
  readonly leftovers: { sockets: number; timers: number };
  readonly options: unknown;
  readonly error: string | null;
}

/**
 * A VU: a realm with ECMAScript, `__ENV`, and the modules of k6 that a script imports, and nothing else. Whoever reads another
 * global is noted and gets a ReferenceError.
 */
export class VuRealm {
  readonly #report: VuReport;
  readonly #context = vm.createContext(Object.create(null));
  readonly #sockets = new Set<HostSocket>();
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #modules: Record<string, Record<string, unknown>>;
  #nextTimer = 1;

  constructor(vu: number, env: Readonly<Record<string, string>>) {
    this.#report = {
      vu,
      metrics: {},
      checks: {},
      faults: [],
      missing: [],
      endpoints: [],
      leftovers: { sockets: 0, timers: 0 },
      options: null,
      error: null,
    };
    this.#closeOff();
    this.#context.__ENV = Object.freeze({ ...env });
    this.#modules = this.#provide();
  }

  /** One iteration: the default function, and then whatever it left behind. */
  async run(source: string, name: string): Promise<VuReport> {
    const { default: iteration, options } = this.#load(source, name);
    let error: string | null = null;
    await iteration().catch((cause: unknown) => {
      error = cause instanceof Error || typeof cause === 'object' ? String((cause as Error).stack) : String(cause);
    });
    const leftovers = await this.#settle();
    return { ...this.#report, options, error, leftovers };
  }

  #closeOff(): void {
    const { missing } = this.#report;
    const realm = vm.runInContext('({ global: globalThis, root: Object.prototype })', this.#context) as {
      global: object;
      root: object;
    };
    for (const name of NOT_IN_K6) Reflect.deleteProperty(realm.global, name);
    const look = (name: string | symbol): void => {
      if (Reflect.has(realm.root, name)) return;
      missing.push(String(name));
      throw new ReferenceError(`${String(name)} is not defined`);
    };
    Reflect.setPrototypeOf(
      realm.global,
      new Proxy(realm.root, {
        has: (root, name) => {
          look(name);
          return Reflect.has(root, name);
        },
        get: (root, name) => {
          look(name);
          return Reflect.get(root, name);
        },
      }),
    );
  }

  /** As CommonJS: modules in realms of their own are an experiment of Node's, and crash it now and then. */
  #load(source: string, name: string): { default: () => Promise<void>; options: unknown } {
    const { code } = transformSync(source, { format: 'cjs' });
    const load = vm.runInContext(`(function (require, module, exports) { ${code}\n})`, this.#context, {
      filename: name,
    });
    const module = { exports: {} };
    load((specifier: string) => this.#require(specifier), module, module.exports);
    return module.exports as { default: () => Promise<void>; options: unknown };
  }

  #require(specifier: string): Record<string, unknown> {
    const exported = this.#modules[specifier];
    if (exported === undefined) throw new Error(`k6 has no module ${specifier}`);
    return { ...exported, __esModule: true };
  }

  #provide(): Record<string, Record<string, unknown>> {
    const { vu, metrics, checks, endpoints } = this.#report;
    const newBuffer = vm.runInContext('(size) => new ArrayBuffer(size)', this.#context) as (
      size: number,
    ) => ArrayBuffer;
    const fault = (message: string): Error => {
      this.#report.faults.push(message);
      return new Error(message);
    };
    const host = {
      fault,
      toBuffer: (bytes: Uint8Array): ArrayBuffer => {
        const buffer = newBuffer(bytes.length);
        new Uint8Array(buffer).set(bytes);
        return buffer;
      },
      opened: (socket: HostSocket) => void this.#sockets.add(socket),
      closed: (socket: HostSocket) => void this.#sockets.delete(socket),
    };
    class Metric {
      readonly #samples: { sum: number; count: number };
      constructor(name: string) {
        if (!/^[a-zA-Z_]\w{0,127}$/.test(name)) throw fault(`no name of a metric: ${name}`);
        this.#samples = metrics[name] = { sum: 0, count: 0 };
      }
      add(value: unknown): void {
        if (typeof value !== 'number' || Number.isNaN(value)) throw fault(`no sample: ${String(value)}`);
        this.#samples.sum += value;
        this.#samples.count++;
      }
    }
    const check = (value: unknown, tests: Record<string, (value: unknown) => unknown>): boolean => {
      for (const [name, test] of Object.entries(tests)) checks[name] = (checks[name] ?? true) && Boolean(test(value));
      return Object.values(checks).every(Boolean);
    };
    return {
      k6: { check },
      'k6/execution': { default: { vu: { idInTest: vu } } },
      'k6/metrics': { Counter: Metric, Trend: Metric, Rate: Metric, Gauge: Metric },
      'k6/timers': {
        setTimeout: (fn: () => void, delayMs: number) => this.#setTimeout(fn, delayMs),
        clearTimeout: (id: number) => this.#clearTimeout(id),
      },
      'k6/websockets': {
        WebSocket: class extends HostSocket {
          constructor(url: unknown, protocols: unknown, params: unknown) {
            super(host, url, protocols, params);
            endpoints.push(this.url);
          }
        },
      },
    };
  }

  #setTimeout(fn: () => void, delayMs: number): number {
    const id = this.#nextTimer++;
    const timer = setTimeout(() => {
      this.#timers.delete(id);
      fn();
    }, delayMs);
    this.#timers.set(id, timer);
    return id;
  }

  #clearTimeout(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  /** k6 ends an iteration when its event loop has nothing left to wait for. Whatever is left after a while is told, and ended. */
  async #settle(): Promise<VuReport['leftovers']> {
    const deadline = Date.now() + 2_000;
    while (this.#sockets.size + this.#timers.size > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const leftovers = { sockets: this.#sockets.size, timers: this.#timers.size };
    for (const socket of this.#sockets) socket.terminate();
    for (const id of this.#timers.keys()) this.#clearTimeout(id);
    return leftovers;
  }
}
