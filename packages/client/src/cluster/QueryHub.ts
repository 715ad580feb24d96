import type {
  ErrorMessage,
  NotOwnerMessage,
  QueryRecordsMessage,
  QueryResetMessage,
  QuerySubMessage,
} from '@topgunbuild/core';
import { ClusterQuery, type ClusterQueryPorts, type QueryPart } from './ClusterQuery.js';
import type { PooledConnection } from './PoolNode.js';

type QueryMessage = QueryRecordsMessage | QueryResetMessage | NotOwnerMessage;

/** Every query that is wanted, and what its parts go by at the nodes: each subscription has an id of its own. */
export class QueryHub {
  readonly #ports: Omit<ClusterQueryPorts, 'open' | 'close' | 'onEnded'>;
  readonly #queries = new Map<number, ClusterQuery>();
  readonly #parts = new Map<number, QueryPart>();
  #nextWireId = 1;

  constructor(ports: Omit<ClusterQueryPorts, 'open' | 'close' | 'onEnded'>) {
    this.#ports = ports;
  }

  subscribe(message: QuerySubMessage): void {
    this.#queries.get(message.queryId)?.close();
    const query = new ClusterQuery(message, {
      ...this.#ports,
      open: (part, subscription) => this.#open(part, subscription),
      close: (part) => this.#close(part),
      onEnded: (queryId) => {
        if (this.#queries.get(queryId) === query) this.#queries.delete(queryId);
      },
    });
    this.#queries.set(message.queryId, query);
    query.reconcile();
  }

  unsubscribe(queryId: number): void {
    this.#queries.get(queryId)?.close();
    this.#queries.delete(queryId);
  }

  /** Map or connections have changed. */
  reconcile(): void {
    for (const query of [...this.#queries.values()]) query.reconcile();
  }

  /** There is room in a socket again. */
  onDrain(): void {
    for (const query of [...this.#queries.values()]) if (query.isIncomplete) query.reconcile();
  }

  /** The cluster is another one. */
  restart(): void {
    for (const query of this.#queries.values()) query.restart();
  }

  onMessage(connection: PooledConnection, message: QueryMessage, hasProgress = false): void {
    const id = message.type === 'NOT_OWNER' ? message.ref : message.queryId;
    const part = this.#parts.get(id);
    if (part === undefined) {
      // The word that it is over may have found no room.
      if (message.type === 'QUERY_RECORDS') connection.send({ type: 'QUERY_UNSUB', queryId: id });
      return;
    }
    if (part.connection !== connection) return;
    const { query } = part;
    switch (message.type) {
      case 'QUERY_RECORDS':
        query.onRecords(part, message);
        return;
      case 'QUERY_RESET':
        query.onReset(part, message);
        return;
      case 'NOT_OWNER':
        query.onNotOwner(part, message, hasProgress);
    }
  }

  onError(message: ErrorMessage): void {
    const part = message.ref === null ? undefined : this.#parts.get(message.ref);
    part?.query.onError(part, message);
  }

  close(): void {
    for (const query of this.#queries.values()) query.close();
    this.#queries.clear();
  }

  #open(part: QueryPart, message: QuerySubMessage): boolean {
    const wireId = this.#nextWireId++;
    if (!part.connection.send({ ...message, queryId: wireId })) return false;
    part.wireId = wireId;
    this.#parts.set(wireId, part);
    return true;
  }

  #close(part: QueryPart): void {
    this.#parts.delete(part.wireId);
    part.connection.send({ type: 'QUERY_UNSUB', queryId: part.wireId });
  }
}
