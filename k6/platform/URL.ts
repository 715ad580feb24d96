const ABSOLUTE =
  /^([a-z][a-z0-9+.-]*):\/\/(?:([^/?#]*)@)?(\[[0-9a-f:.]+\]|[^/?#:@\s]+)(?::(\d{1,5}))?([^?#\s]*)(\?[^#\s]*)?(?:#\S*)?$/i;

const DEFAULT_PORTS: ReadonlyMap<string, string> = new Map([
  ['ws:', '80'],
  ['http:', '80'],
  ['wss:', '443'],
  ['https:', '443'],
]);

/**
 * As much of `URL`, which k6 does not have, as the addresses of nodes need. Nothing is normalized but the case of scheme
 * and host, and default ports; what would need more is refused.
 */
export class URL {
  readonly protocol: string;
  readonly username: string;
  readonly password: string;
  readonly host: string;
  readonly pathname: string;
  readonly search: string;

  /** @throws TypeError */
  constructor(url: string) {
    const [, scheme, credentials = '', host, port = '', path = '', search = ''] = ABSOLUTE.exec(url.trim()) ?? [];
    if (scheme === undefined || host === undefined || Number(port) > 65_535) throw new TypeError('Invalid URL');
    this.protocol = `${scheme.toLowerCase()}:`;
    const colon = credentials.indexOf(':');
    this.username = colon < 0 ? credentials : credentials.slice(0, colon);
    this.password = colon < 0 ? '' : credentials.slice(colon + 1);
    const number = port === '' ? '' : String(Number(port));
    const isDefault = number === '' || number === DEFAULT_PORTS.get(this.protocol);
    this.host = host.toLowerCase() + (isDefault ? '' : `:${number}`);
    this.pathname = path === '' ? '/' : path;
    this.search = search === '?' ? '' : search;
  }

  get searchParams(): ReadonlyMap<string, string> {
    const params = this.search === '' ? [] : this.search.slice(1).split('&');
    return new Map(
      params.map((param) => {
        const equals = param.indexOf('=');
        const [name, value] = equals < 0 ? [param, ''] : [param.slice(0, equals), param.slice(equals + 1)];
        return [decoded(name), decoded(value)];
      }),
    );
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
