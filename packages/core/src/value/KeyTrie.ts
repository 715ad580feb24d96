import { copyBytes } from '../wire/sliceBytes.js';
import { readUtf8 } from '../wire/utf8.js';

const MAX_CHILDREN = 8;
const MAX_KEYS = 32;
const MAX_KEY_BYTES = 64;
const MAX_NODES = 1024;

/** One key after a certain sequence of keys. Reaching it by matching bytes proves: UTF-8, and unlike all before it. */
export interface KeyNode {
  readonly text: string;
  /** The name means something on every object's prototype, such as `__proto__`: plain assignment may not define it. */
  readonly inherited: boolean;
  readonly bytes: Uint8Array;
  readonly parent: KeyNode | null;
  readonly depth: number;
  firstChild: KeyNode | null;
  readonly nextSibling: KeyNode | null;
  children: number;
}

/**
 * The sequences of keys that maps began with lately. Most maps of a workload have one of a few shapes, so matching a
 * key's bytes against the one or two that can follow replaces decoding it and looking for duplicates.
 *
 * Memory is bounded, whatever comes in: few children a node, few nodes in all. Keys that do not fit are not learnt, and
 * after enough of those everything is forgotten, so that random keys cannot keep the common shapes out for good.
 */
export class KeyTrie {
  #root: KeyNode = newNode('', new Uint8Array(0), null, null);
  #misses = 0;

  get root(): KeyNode {
    return this.#root;
  }

  /** The node of the key `bytes[start, end)` after `node`; null when the trie cannot vouch for this key. */
  step(node: KeyNode, bytes: Uint8Array, start: number, end: number): KeyNode | null {
    const size = end - start;
    for (let child = node.firstChild; child !== null; child = child.nextSibling) {
      const known = child.bytes;
      if (known.length !== size) continue;
      let i = 0;
      while (i < size && known[i] === bytes[start + i]) i++;
      if (i === size) return child;
    }
    return this.#learn(node, bytes, start, end);
  }

  #learn(node: KeyNode, bytes: Uint8Array, start: number, end: number): KeyNode | null {
    if (++this.#misses > MAX_NODES) {
      this.#misses = 0;
      this.#root = newNode('', new Uint8Array(0), null, null);
      return null;
    }
    if (node.children >= MAX_CHILDREN || node.depth >= MAX_KEYS || end - start > MAX_KEY_BYTES) return null;
    const text = readUtf8(bytes, start, end);
    if (text === null || followsItself(node, text)) return null;
    const child = newNode(text, copyBytes(bytes, start, end), node, node.firstChild);
    node.firstChild = child;
    node.children++;
    return child;
  }
}

/** Whether plain assignment of this property could reach something inherited instead of defining it. */
export function isInherited(text: string): boolean {
  // The shortest such name is valueOf; most keys are settled by their length.
  return text.length > 6 && text in Object.prototype;
}

/** The keys that led to `node`, itself included, last first. */
export function keysUpTo(node: KeyNode): string[] {
  const keys: string[] = [];
  for (let at: KeyNode = node; at.parent !== null; at = at.parent) keys.push(at.text);
  return keys;
}

function followsItself(node: KeyNode, text: string): boolean {
  return keysUpTo(node).includes(text);
}

function newNode(text: string, bytes: Uint8Array, parent: KeyNode | null, nextSibling: KeyNode | null): KeyNode {
  const depth = parent === null ? 0 : parent.depth + 1;
  return { text, inherited: isInherited(text), bytes, parent, depth, firstChild: null, nextSibling, children: 0 };
}
