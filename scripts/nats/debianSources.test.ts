import { describe, expect, it } from 'vitest';
import { atSuite, readListFile, readSourcesFile } from './debianSources.js';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

describe('the one-line format', () => {
  it('gives Debian’s archives with their keyrings', () => {
    const archives = readListFile(`
deb http://deb.debian.org/debian bookworm main contrib # the archive
deb [arch=amd64 signed-by=${KEYRING}] https://mirror.example/debian stable main
`);
    expect(archives).toEqual([
      { uris: 'http://deb.debian.org/debian', signedBy: undefined },
      { uris: 'https://mirror.example/debian', signedBy: KEYRING },
    ]);
  });

  it.each([
    '# deb http://deb.debian.org/debian bookworm main',
    'deb-src http://deb.debian.org/debian bookworm main',
    'deb cdrom:[Debian 12]/ bookworm main',
    'deb http://deb.debian.org/debian-security bookworm-security main',
    'deb https://vendor.example/apt bookworm stable',
    'deb http://archive.ubuntu.com/ubuntu noble main universe',
    'deb file:/srv/packages ./',
  ])('passes over %s', (line) => {
    expect(readListFile(line)).toEqual([]);
  });
});

describe('the deb822 format', () => {
  it('gives Debian’s archives, several addresses and keys written inside included', () => {
    const archives = readSourcesFile(`# ours
Types: deb deb-src
URIs: http://one.example/debian
# between two lines
  http://two.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: ${KEYRING}

types: deb
uris: mirror+file:///etc/apt/mirrors/debian.list
suites: bookworm
components: main
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY
`);
    expect(archives).toEqual([
      { uris: 'http://one.example/debian http://two.example/debian', signedBy: KEYRING },
      {
        uris: 'mirror+file:///etc/apt/mirrors/debian.list',
        signedBy: '\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY',
      },
    ]);
  });

  it.each([
    'Types: deb\nURIs: http://a.example/debian-security\nSuites: bookworm-security\nComponents: main',
    'Types: deb-src\nURIs: http://a.example/debian\nSuites: bookworm\nComponents: main',
    'Enabled: no\nTypes: deb\nURIs: http://a.example/debian\nSuites: bookworm\nComponents: main',
    'Types: deb\nURIs: https://deb.example/node_20.x\nSuites: nodistro\nComponents: main',
    '',
  ])('passes over %j', (stanza) => {
    expect(readSourcesFile(stanza)).toEqual([]);
  });
});

it('asks for another suite of the same archives, each of them once', () => {
  const archive = { uris: 'http://a.example/debian', signedBy: KEYRING };
  const text = atSuite([archive, archive, { uris: 'http://b.example/debian', signedBy: undefined }], 'trixie', 'amd64');
  expect(text).toBe(`Types: deb
URIs: http://a.example/debian
Suites: trixie
Components: main
Architectures: amd64
Signed-By: ${KEYRING}

Types: deb
URIs: http://b.example/debian
Suites: trixie
Components: main
Architectures: amd64
`);
});
