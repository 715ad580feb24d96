import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';

/** Anything that was read from a file. */
export interface Tree {
  readonly [name: string]: unknown;
}

export function readDeploy(file: string): string {
  return readFileSync(new URL(`../../../deploy/${file}`, import.meta.url), 'utf8');
}

/** The documents of a YAML file, anchors and merge keys resolved. @throws where it is no YAML */
export function readYaml(file: string): readonly Tree[] {
  const documents = parseAllDocuments(readDeploy(file), { merge: true, uniqueKeys: true, strict: true });
  return [...documents].map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw problem;
    return document.toJS() as Tree;
  });
}

/** What is at `path` of a tree; undefined where there is no such thing. */
export function at(tree: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((node, step) => (isTree(node) ? node[step] : undefined), tree);
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
