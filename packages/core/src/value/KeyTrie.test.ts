import { describe, expect, it } from 'vitest';
import { type KeyNode, KeyTrie, keysUpTo } from './KeyTrie.js';

const encoder = new TextEncoder();

function follow(trie: KeyTrie, keys: readonly string[]): KeyNode | null {
  let node: KeyNode | null = trie.root;
  for (const key of keys) {
    if (node === null) return null;
    const bytes = encoder.encode(key);
    node = trie.step(node, bytes, 0, bytes.length);
  }
  return node;
}

describe('KeyTrie', () => {
  it('leads the same keys to the same node', () => {
    const trie = new KeyTrie();
    const node = follow(trie, ['id', 'näme', '']);
    expect(node?.text).toBe('');
    expect(follow(trie, ['id', 'näme', ''])).toBe(node);
    expect(node && keysUpTo(node)).toEqual(['', 'näme', 'id']);
  });

  it('tells sequences apart that join to the same bytes', () => {
    const trie = new KeyTrie();
    expect(follow(trie, ['ab', 'c'])).not.toBe(follow(trie, ['a', 'bc']));
  });

  it('vouches for no key twice', () => {
    expect(follow(new KeyTrie(), ['a', 'b', 'a'])).toBeNull();
  });

  it('vouches for no key that is not UTF-8', () => {
    const trie = new KeyTrie();
    expect(trie.step(trie.root, Uint8Array.of(0xff), 0, 1)).toBeNull();
  });

  it('stays small under random keys, and learns a common shape again afterwards', () => {
    const trie = new KeyTrie();
    for (let i = 0; i < 20_000; i++) follow(trie, [`random${i}`, 'a', 'b']);
    expect(countNodes(trie.root)).toBeLessThan(2_000);
    for (let i = 0; i < 2_000 && follow(trie, ['id', 'name']) === null; i++) follow(trie, [`other${i}`]);
    expect(follow(trie, ['id', 'name'])?.text).toBe('name');
  });
});

function countNodes(node: KeyNode): number {
  let count = 1;
  for (let child = node.firstChild; child !== null; child = child.nextSibling) count += countNodes(child);
  return count;
}
