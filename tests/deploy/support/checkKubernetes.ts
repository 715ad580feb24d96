import * as apps from 'kubernetes-models/apps/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as core from 'kubernetes-models/v1';
import { isTree, type Tree } from './read.js';

/** A class with a validator that was compiled from the OpenAPI schema of Kubernetes. */
interface Kind {
  readonly prototype: { validate(): void };
}

const KINDS: Readonly<Record<string, Kind>> = {
  'v1 ConfigMap': core.ConfigMap,
  'v1 Service': core.Service,
  'apps/v1 StatefulSet': apps.StatefulSet,
  'policy/v1 PodDisruptionBudget': policy.PodDisruptionBudget,
  'networking.k8s.io/v1 NetworkPolicy': networking.NetworkPolicy,
};

/**
 * What is wrong with a manifest, by its schema; empty when it is right. The schemas let unknown fields pass, kubectl does
 * not, and a field that is misspelt is one of those: so what the validator never looked at counts as wrong, too.
 */
export function checkKubernetes(manifest: Tree): readonly string[] {
  const kind = KINDS[`${manifest.apiVersion} ${manifest.kind}`];
  if (kind === undefined) return [`no schema for ${manifest.apiVersion} ${manifest.kind}`];
  const seen = new Set<string>();
  try {
    // Not by its constructor: that would copy the manifest, and so look at everything.
    kind.prototype.validate.call(watched(manifest, '', seen));
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
  return fieldsOf(manifest, '').filter((path) => !seen.has(path));
}

/** `node` as it is, noting which of its fields are looked at. */
function watched(node: Tree, path: string, seen: Set<string>): Tree {
  const note = (name: string): void => void seen.add(`${path}/${name}`);
  return new Proxy(node, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof name === 'symbol') return value;
      note(name);
      return isTree(value) ? watched(value, `${path}/${name}`, seen) : value;
    },
    // Where names are free, as those of labels are, the validator asks for all of them.
    ownKeys(target) {
      const names = Reflect.ownKeys(target);
      for (const name of names) note(String(name));
      return names;
    },
  });
}

function fieldsOf(node: Tree, path: string): readonly string[] {
  return Object.entries(node).flatMap(([name, value]) => {
    const own = `${path}/${name}`;
    return isTree(value) ? [own, ...fieldsOf(value, own)] : [own];
  });
}
