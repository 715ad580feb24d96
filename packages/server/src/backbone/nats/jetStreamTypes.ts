/*
 * What JetStream's API takes and gives, as far as it is used here. Its JSON is trusted: whoever can answer for JetStream
 * can forge the data itself.
 */

export interface PublishResult {
  readonly seq: number;
}

export interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  /** As on the wire; see `headerOf`. */
  readonly headers: string;
  readonly data: Uint8Array;
}

export interface StreamState {
  readonly messages: number;
  readonly last_seq: number;
  /** Messages a subject, when asked for. */
  readonly subjects?: Readonly<Record<string, number>>;
}

export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly num_replicas: number;
  readonly storage: 'file';
  readonly retention: 'limits';
  readonly discard: 'new';
  readonly max_msgs_per_subject: number;
  readonly allow_direct: false;
  readonly deny_delete?: boolean;
  readonly allow_rollup_hdrs?: boolean;
}

/** The value of a header, or undefined. */
export function headerOf(headers: string, name: string): string | undefined {
  for (const line of headers.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0 && line.slice(0, colon) === name) return line.slice(colon + 1).trim();
  }
  return undefined;
}
