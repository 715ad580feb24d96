/** An archive of Debian as apt knows it, whatever its suite. */
export interface DebianArchive {
  /** One or more addresses of the same archive, as written. */
  readonly uris: string;
  /** A keyring's path, a fingerprint, or a whole key (its lines indented); undefined: apt's own keyrings. */
  readonly signedBy: string | undefined;
}

/** The suites under which Debian's own archive is reached; others' archives name theirs differently. */
const SUITES = /^(bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)\/?$/;
const COMPONENT = 'main';

/** The archives of Debian in a one-line-style file (`sources.list`). */
export function readListFile(text: string): DebianArchive[] {
  return text.split('\n').flatMap((line) => {
    const [, options = '', rest = ''] = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?([^#]*)/.exec(line) ?? [];
    const [uri, suite = '', ...components] = rest.trim().split(/\s+/);
    if (uri === undefined || !isDebian(uri, [suite], components)) return [];
    return [{ uris: uri, signedBy: /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1] }];
  });
}

/** The archives of Debian in a deb822-style file (`*.sources`). */
export function readSourcesFile(text: string): DebianArchive[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  return withoutComments.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = readFields(stanza);
    const words = (name: string): string[] => (fields.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
    const uris = words('uris').join(' ');
    const disabled = /^(no|false|off|without|disable|0)$/.test(words('enabled')[0] ?? '');
    if (disabled || !words('types').includes('deb') || !isDebian(uris, words('suites'), words('components'))) return [];
    return [{ uris, signedBy: fields.get('signed-by') }];
  });
}

/** A deb822 file that has the same archives at another suite, for one architecture. Signatures stay required. */
export function atSuite(archives: readonly DebianArchive[], suite: string, architecture: string): string {
  const stanzas = archives.map(({ uris, signedBy }) =>
    [
      'Types: deb',
      `URIs: ${uris}`,
      `Suites: ${suite}`,
      `Components: ${COMPONENT}`,
      `Architectures: ${architecture}`,
      ...(signedBy === undefined ? [] : [`Signed-By: ${signedBy}`]),
    ].join('\n'),
  );
  return `${[...new Set(stanzas)].join('\n\n')}\n`;
}

function isDebian(uris: string, suites: readonly string[], components: readonly string[]): boolean {
  return (
    /^[a-z]/.test(uris) &&
    !uris.startsWith('cdrom:') &&
    suites.some((suite) => SUITES.test(suite)) &&
    components.includes(COMPONENT)
  );
}

/** Field names in lower case; lines that continue a value keep their indentation. */
function readFields(stanza: string): Map<string, string> {
  const fields = stanza.matchAll(/^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)/gm);
  return new Map(Array.from(fields, ([, name = '', value = '']) => [name.toLowerCase(), value.trimEnd()]));
}
