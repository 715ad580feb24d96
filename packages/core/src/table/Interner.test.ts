import { describe, expect, it } from 'vitest';
import { Interner } from './Interner.js';

describe('Interner', () => {
  it('gives equal texts one number, and different texts different ones', () => {
    const interner = new Interner();
    const a = interner.acquire('a');
    expect(interner.acquire('b')).not.toBe(a);
    expect(interner.acquire('a')).toBe(a);
    expect(interner.get(a)).toBe('a');
    expect(interner.size).toBe(2);
  });

  it('frees a number with its last user, and gives it away again', () => {
    const interner = new Interner();
    const a = interner.acquire('a');
    interner.acquire('a');
    interner.release(a);
    expect(interner.get(a)).toBe('a');
    interner.release(a);
    expect(interner.size).toBe(0);
    expect(interner.acquire('b')).toBe(a);
    expect(interner.get(a)).toBe('b');
  });

  it('takes any text as plain data', () => {
    const interner = new Interner();
    const numbers = ['', '__proto__', 'constructor', 'toString'].map((text) => interner.acquire(text));
    expect(new Set(numbers).size).toBe(4);
    expect(numbers.map((number) => interner.get(number))).toEqual(['', '__proto__', 'constructor', 'toString']);
  });
});
