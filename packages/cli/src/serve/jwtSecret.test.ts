import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { keepSecret, readSecret, secretFile } from './jwtSecret.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'topgun-secret-'));
  return () => rmSync(folder, { recursive: true, force: true });
});

describe('the secret of a data directory', () => {
  it('is made once, for the eyes of its owner, and read from then on', () => {
    const data = join(folder, 'a/b');
    const first = keepSecret(data);
    expect(first).toMatchObject({ isNew: true, isExposed: false });
    expect(statSync(first.file).mode & 0o777).toBe(0o600);
    expect(Buffer.byteLength(first.secret)).toBeGreaterThanOrEqual(32);
    expect(keepSecret(data)).toEqual({ ...first, isNew: false });
    expect(readSecret(data)).toBe(first.secret);
    expect(readdirSync(data)).toEqual(['jwt-secret']);
  });

  it('is another one in every directory', () => {
    expect(keepSecret(join(folder, 'a')).secret).not.toBe(keepSecret(join(folder, 'b')).secret);
  });

  it('is reported when others can read it', () => {
    const { file } = keepSecret(folder);
    chmodSync(file, 0o644);
    expect(keepSecret(folder).isExposed).toBe(true);
  });

  it('is not taken from a file that holds none', () => {
    writeFileSync(secretFile(folder), 'short\n');
    expect(() => readSecret(folder)).toThrow(/no secret of at least 32/);
    expect(() => keepSecret(folder)).toThrow(/no secret of at least 32/);
  });

  it('says how to get one when there is none', () => {
    expect(() => readSecret(folder)).toThrow(/topgun serve --data/);
  });

  it('cannot be kept in a file', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(() => keepSecret(file)).toThrow(/cannot keep a secret/);
  });
});
