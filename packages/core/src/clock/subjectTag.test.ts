import { describe, expect, it } from 'vitest';
import { subjectTag } from './subjectTag.js';

describe('subjectTag', () => {
  it('is eleven characters of [0-9a-z] for any subject', () => {
    for (const subject of ['', 'a', 'auth0|62a0c1', 'x'.repeat(10_000), 'ü😀\ud800']) {
      expect(subjectTag(subject)).toMatch(/^[0-9a-z]{11}$/);
    }
  });

  it('never changes: stored replica ids depend on it', () => {
    expect(['', 'alice', 'bob', 'ü😀'].map(subjectTag)).toEqual([
      '1it90n4h0p1',
      '0iuhae31w4n',
      '2dmmh3qcclw',
      '1906lq2am7q',
    ]);
  });

  it('tells 200,000 similar subjects apart', () => {
    const tags = new Set<string>();
    for (let i = 0; i < 200_000; i++) tags.add(subjectTag(`user-${i}`));
    expect(tags.size).toBe(200_000);
  });
});
