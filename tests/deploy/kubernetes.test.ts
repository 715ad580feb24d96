import { describe, expect, it } from 'vitest';
import { checkKubernetes } from './support/checkKubernetes.js';
import { at, isTree, listOf, readDeploy, readYaml, type Tree } from './support/read.js';
import { parseVariable, SERVE_VARIABLES } from './support/serveSurface.js';

const FILES = ['kubernetes/nats.yaml', 'kubernetes/topgun.yaml'];
const manifests = FILES.flatMap(readYaml);

function find(kind: string, name: string): Tree {
  const found = manifests.find((manifest) => manifest.kind === kind && at(manifest, 'metadata', 'name') === name);
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

const podOf = (name: string): unknown => at(find('StatefulSet', name), 'spec', 'template', 'spec');
const containerOf = (name: string): unknown => at(podOf(name), 'containers', 0);

/** What a container gets, as written: references to other variables are not resolved. */
function environmentOf(name: string): ReadonlyMap<string, string | null> {
  return new Map(
    listOf(at(containerOf(name), 'env')).map((entry) => {
      const value = at(entry, 'value');
      return [String(at(entry, 'name')), typeof value === 'string' ? value : null];
    }),
  );
}

const resolve = (text: string): string =>
  text
    .replaceAll('$(POD_NAME)', 'topgun-0')
    .replaceAll('$(POD_NAMESPACE)', 'default')
    .replaceAll('$(NATS_PASSWORD)', 'secret');

describe('the manifests for Kubernetes', () => {
  it('are what the schemas of Kubernetes ask for, without a field that they do not know', () => {
    expect(manifests).toHaveLength(9);
    for (const manifest of manifests) expect([manifest.kind, ...checkKubernetes(manifest)]).toEqual([manifest.kind]);
  });

  it('would be found out if they were not', () => {
    const change = (edit: (pod: Record<string, unknown>) => void): readonly string[] => {
      const broken = structuredClone(find('StatefulSet', 'topgun'));
      const pod = at(broken, 'spec', 'template', 'spec');
      if (isTree(pod)) edit(pod as Record<string, unknown>);
      return checkKubernetes(broken);
    };
    expect(change(() => undefined)).toEqual([]);
    expect(change((pod) => delete pod.containers)).toEqual([expect.stringMatching(/containers/)]);
    expect(
      change((pod) => {
        pod.terminationGracePeriodSeconds = '30s';
      }),
    ).toEqual([expect.stringMatching(/terminationGracePeriodSeconds/)]);
    expect(
      change((pod) => {
        pod.enableServiceLink = false;
      }),
    ).toEqual(['/spec/template/spec/enableServiceLink']);
    expect(checkKubernetes({ apiVersion: 'v1', kind: 'Pot' })).toEqual(['no schema for v1 Pot']);
  });

  it('name only options that topgun serve has, with values that it takes', () => {
    const given = [...environmentOf('topgun')].filter(([name]) => name.startsWith('TOPGUN_'));
    expect(given.length).toBeGreaterThan(5);
    for (const [name, value] of given) {
      expect(SERVE_VARIABLES).toContain(name);
      if (value !== null) expect(() => parseVariable(name, resolve(value))).not.toThrow();
    }
    expect(at(containerOf('topgun'), 'args')).toEqual(['serve']);
    // Otherwise Kubernetes itself would set TOPGUN_PORT, from the service of that name.
    expect(at(podOf('topgun'), 'enableServiceLinks')).toBe(false);
  });

  it('agree on ports', () => {
    for (const name of ['topgun', 'nats']) {
      const ports = new Set(listOf(at(containerOf(name), 'ports')).map((port) => at(port, 'name')));
      for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
        const port = at(containerOf(name), probe, 'httpGet', 'port');
        if (port !== undefined) expect(ports).toContain(port);
      }
    }
    const port = Number(environmentOf('topgun').get('TOPGUN_PORT'));
    expect(at(containerOf('topgun'), 'ports', 0, 'containerPort')).toBe(port);
    for (const service of ['topgun', 'topgun-nodes']) {
      expect(at(find('Service', service), 'spec', 'ports')).toEqual([{ name: 'http', port, targetPort: 'http' }]);
    }
    expect(resolve(environmentOf('topgun').get('TOPGUN_ADVERTISE') ?? '')).toBe(
      `ws://topgun-0.topgun-nodes.default.svc.cluster.local:${port}`,
    );
    const natsPorts = listOf(at(containerOf('nats'), 'ports')).map((one) => at(one, 'containerPort'));
    expect(natsPorts).toEqual([4222, 6222, 8222]);
  });

  it('reach each pod of NATS by its name, and log in', () => {
    const replicas = Number(at(find('StatefulSet', 'nats'), 'spec', 'replicas'));
    const hosts = Array.from(
      { length: replicas },
      (_, n) => `nats-${n}.${at(find('StatefulSet', 'nats'), 'spec', 'serviceName')}`,
    );
    expect(parseVariable('TOPGUN_NATS', resolve(environmentOf('topgun').get('TOPGUN_NATS') ?? ''))).toEqual({
      servers: hosts.map((host) => `nats://${host}:4222`),
      options: { user: 'topgun', pass: 'secret' },
    });
    expect(resolve(environmentOf('nats').get('NATS_ROUTES') ?? '')).toBe(
      `[${hosts.map((host) => `nats://topgun:secret@${host}:6222`).join(', ')}]`,
    );
    expect(Number(environmentOf('topgun').get('TOPGUN_REPLICAS'))).toBe(replicas);
  });

  it('select what they are for', () => {
    for (const name of ['topgun', 'nats']) {
      const labels = at(find('StatefulSet', name), 'spec', 'template', 'metadata', 'labels');
      expect(at(find('StatefulSet', name), 'spec', 'selector', 'matchLabels')).toEqual(labels);
      expect(at(find('PodDisruptionBudget', name), 'spec', 'selector', 'matchLabels')).toEqual(labels);
      expect(at(find('Service', name), 'spec', 'selector')).toEqual(labels);
      const headless = find('Service', String(at(find('StatefulSet', name), 'spec', 'serviceName')));
      expect(at(headless, 'spec', 'clusterIP')).toBe('None');
    }
  });

  it('ask for the same of NATS as the compose file does', () => {
    const lines = (text: string): readonly string[] =>
      text
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines(String(at(find('ConfigMap', 'nats'), 'data', 'nats.conf')))).toEqual(lines(readDeploy('nats.conf')));
  });
});
