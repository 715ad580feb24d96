import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Identity } from '../auth/Authenticator.js';
import { SILENT } from '../Logger.js';
import { createPermissions } from './createPermissions.js';
import { Glob } from './Glob.js';
import { ACTIONS, type Action } from './Permissions.js';
import { RowGuard } from './RowGuard.js';
import type { PermissionFunction, Rule } from './Rule.js';
import { Verdicts } from './Verdicts.js';

function ann(roles: readonly string[] = [], claims: Record<string, unknown> = {}): Identity {
  return { subject: 'ann', roles, claims: { sub: 'ann', ...claims }, expiresAt: 0 };
}

function decide(
  rules: readonly Rule[] | PermissionFunction | undefined,
  identity: Identity,
  action: Action,
  name: string,
) {
  return createPermissions(rules, SILENT).decide(identity, action, name);
}

describe('rules', () => {
  const rules: readonly Rule[] = [
    { maps: 'public', allow: ['read'] },
    { maps: ['todos', 'notes-*'], allow: ['read', 'write'] },
    { roles: ['admin', 'root'], maps: '*', topics: '*', allow: ['read', 'write', 'publish', 'subscribe'] },
    { topics: 'news/*', allow: ['subscribe'] },
  ];

  it.each<[string, readonly string[], Action, string, boolean]>([
    ['a map that a rule names', [], 'read', 'public', true],
    ['another action on it', [], 'write', 'public', false],
    ['a map of a list', [], 'write', 'todos', true],
    ['a map of a glob', [], 'read', 'notes-2024', true],
    ['a map that only begins like one', [], 'read', 'todos2', false],
    ['a map of another case', [], 'read', 'Todos', false],
    ['a map that no rule names', [], 'read', 'secret', false],
    ['anything with one of the roles', ['root'], 'write', 'secret', true],
    ['anything with another role', ['user'], 'write', 'secret', false],
    ['a topic', [], 'subscribe', 'news/today', true],
    ['publishing where only listening is allowed', [], 'publish', 'news/today', false],
    ['a topic that is named like an allowed map', [], 'subscribe', 'todos', false],
    ['a map that is named like an allowed topic', [], 'read', 'news/today', false],
    ['a map whose name is a pattern', [], 'read', '*', false],
  ])('on %s', (_, roles, action, name, allowed) => {
    expect(decide(rules, ann(roles), action, name).allowed).toBe(allowed);
  });

  it('of an empty list deny everything', () => {
    for (const action of ACTIONS) expect(decide([], ann(['admin']), action, 'x').allowed).toBe(false);
  });

  it('that are not given allow everything', () => {
    for (const action of ACTIONS) expect(decide(undefined, ann(), action, 'x')).toEqual({ allowed: true, where: null });
  });

  it('add up: each that applies adds its rows, and one without a filter all of them', () => {
    const own: Rule = { maps: 'todos', allow: ['read'], where: { owner: '$sub' } };
    const open: Rule = { maps: 'todos', allow: ['read'], where: { public: true } };
    const all: Rule = { maps: 'todos', roles: ['admin'], allow: ['read'] };
    expect(decide([own], ann(), 'read', 'todos')).toEqual({ allowed: true, where: { owner: 'ann' } });
    expect(decide([own, open, all], ann(), 'read', 'todos')).toEqual({
      allowed: true,
      where: { $or: [{ owner: 'ann' }, { public: true }] },
    });
    expect(decide([own, open, all], ann(['admin']), 'read', 'todos')).toEqual({ allowed: true, where: null });
  });
});

describe('a filter by claims', () => {
  const filter = (where: object, claims: Record<string, unknown> = {}) =>
    decide([{ maps: 'm', allow: ['read'], where: where as Rule['where'] & object }], ann([], claims), 'read', 'm');

  it.each<[string, object, Record<string, unknown>, object]>([
    ['a claim', { tenant: '$claims.tenant' }, { tenant: 't1' }, { tenant: 't1' }],
    ['a claim within another', { t: '$claims.org.id' }, { org: { id: 7 } }, { t: 7 }],
    ['a false claim', { t: '$claims.flag' }, { flag: false }, { t: false }],
    ['a claim in an operator', { t: { $startsWith: '$claims.p' } }, { p: 'x/' }, { t: { $startsWith: 'x/' } }],
    ['a claim within $or', { $or: [{ a: '$sub' }, { b: 1 }] }, {}, { $or: [{ a: 'ann' }, { b: 1 }] }],
    ['a list claim in $in', { t: { $in: '$claims.teams' } }, { teams: ['a', 'b'] }, { t: { $in: ['a', 'b'] } }],
    ['a single claim in $in', { t: { $in: '$claims.team' } }, { team: 'a' }, { t: { $in: ['a'] } }],
    ['claims as items of $in', { t: { $in: ['$sub', 'all'] } }, {}, { t: { $in: ['ann', 'all'] } }],
    ['a dollar of its own', { price: '$$5', s: '$$sub' }, {}, { price: '$5', s: '$sub' }],
    ['a claim value that begins with a dollar', { t: '$claims.t' }, { t: '$sub' }, { t: '$sub' }],
    ['no claim at all', { n: 5, d: true, x: null }, {}, { n: 5, d: true, x: null }],
  ])('takes %s', (_, where, claims, filled) => {
    expect(filter(where, claims)).toEqual({ allowed: true, where: filled });
  });

  it.each<[string, object, Record<string, unknown>]>([
    ['is missing', { tenant: '$claims.tenant' }, {}],
    ['is missing in one branch of an $or', { $or: [{ public: true }, { t: '$claims.t' }] }, {}],
    ['is inherited', { t: '$claims.constructor.name' }, {}],
    ['is null', { t: '$claims.t' }, { t: null }],
    ['is an object, which could be an operator', { t: '$claims.t' }, { t: { $ne: 'x' } }],
    ['is a list where one value is wanted', { t: '$claims.t' }, { t: ['a'] }],
    ['is a list of objects', { t: { $in: '$claims.t' } }, { t: [{ $ne: 1 }] }],
    ['does not fit its operator', { t: { $startsWith: '$claims.t' } }, { t: 5 }],
  ])('allows nothing when a claim %s', (_, where, claims) => {
    expect(filter(where, claims)).toEqual({ allowed: false });
  });

  it.each<[string, object]>([
    ['an unknown reference', { owner: '$user' }],
    ['a reference to no claim', { owner: '$claims.' }],
    ['an unknown operator', { owner: { $regex: 'x' } }],
    ['an operator in the place of a field', { $gt: 5 }],
    ['no object', []],
  ])('is refused at the start for %s', (_, where) => {
    expect(() => filter(where)).toThrow(expect.objectContaining({ code: 'INVALID_QUERY' }));
  });
});

describe('rules that are wrong stop the node from starting:', () => {
  it.each<[string, unknown]>([
    ['no list', { maps: '*', allow: ['read'] }],
    ['an unknown property', [{ maps: '*', allow: ['read'], deny: true }]],
    ['no allow', [{ maps: '*' }]],
    ['an empty allow', [{ maps: '*', allow: [] }]],
    ['an unknown action', [{ maps: '*', allow: ['delete'] }]],
    ['no roles in roles', [{ roles: [], maps: '*', allow: ['read'] }]],
    ['read without maps', [{ topics: '*', allow: ['read'] }]],
    ['publish without topics', [{ maps: '*', allow: ['publish'] }]],
    ['maps that nothing is allowed on', [{ maps: '*', topics: '*', allow: ['publish'] }]],
    ['a filter on topics', [{ topics: '*', allow: ['publish'], where: { a: 1 } }]],
    ['a filter that is null', [{ maps: '*', allow: ['read'], where: null }]],
  ])('%s', (_, rules) => {
    expect(() => createPermissions(rules as readonly Rule[], SILENT)).toThrow(/permissions|where/);
  });

  it('and the message names the rule', () => {
    const rules = [
      { maps: '*', allow: ['read'] },
      { maps: '*', allow: ['raed'] },
    ] as unknown as readonly Rule[];
    expect(() => createPermissions(rules, SILENT)).toThrow(/permissions\[1\]\[allow\]/);
  });
});

describe('a permission function', () => {
  it('is asked with the claims, and its answer counts', () => {
    const decision: PermissionFunction = ({ subject, action, name }) =>
      subject === 'ann' && action === 'read' && name === 'a';
    expect(decide(decision, ann(), 'read', 'a')).toEqual({ allowed: true, where: null });
    expect(decide(decision, ann(), 'read', 'b').allowed).toBe(false);
  });

  it('may restrict rows', () => {
    const decision: PermissionFunction = ({ claims }) => ({ allow: true, where: { tenant: claims.tenant } });
    expect(decide(decision, ann([], { tenant: 't1' }), 'read', 'a')).toEqual({
      allowed: true,
      where: { tenant: 't1' },
    });
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['answers nothing', () => undefined],
    ['answers late', () => Promise.resolve(true)],
    ['answers with a text', () => 'yes'],
    ['answers with a number', () => 1],
    ['answers with a filter that is wrong', () => ({ allow: true, where: { $gt: 1 } })],
    ['answers with a filter alone', () => ({ where: {} })],
  ])('that %s denies', (_, decision) => {
    expect(decide(decision as PermissionFunction, ann(), 'read', 'a').allowed).toBe(false);
  });
});

describe('a glob', () => {
  it.each<[string, string, boolean]>([
    ['*', '', true],
    ['*', 'anything/at.all', true],
    ['a*', 'a', true],
    ['a*', 'ba', false],
    ['*a', 'ba', true],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'acb', false],
    ['*ab*ab*', 'ab', false],
    ['a**b', 'ab', true],
    ['a.b', 'axb', false],
    ['[a]', 'a', false],
    ['(a+)+$', '(a+)+$', true],
    ['__proto__', '__proto__', true],
  ])('%j on %j', (pattern, name, matches) => {
    expect(new Glob(pattern).matches(name)).toBe(matches);
  });

  it('matches what a regular expression of the same meaning matches', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 });
    fc.assert(
      fc.property(pattern, text, (glob, name) => {
        const expected = new RegExp(`^${glob.replaceAll('*', '[ab]*')}$`).test(name);
        expect(new Glob(glob).matches(name)).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes no time on patterns made to take long', () => {
    const glob = new Glob(`${'*a'.repeat(500)}b`);
    expect(glob.matches('a'.repeat(100_000))).toBe(false);
  });
});

describe('any set of rules', () => {
  const names = ['a', 'b', 'ab'];
  const globs = fc.constantFrom('a', 'b', 'a*', '*', '*b');
  const roles = fc.constantFrom('r1', 'r2');
  const filters = fc.constantFrom(undefined, { owner: '$sub' }, { n: { $gt: 1 } }, { tenant: '$claims.tenant' });
  const rule: fc.Arbitrary<Rule> = fc.record({
    roles: fc.option(fc.array(roles, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    maps: globs,
    allow: fc.constantFrom<Action[]>(['read'], ['write'], ['read', 'write']),
    where: filters,
  });
  const row = fc.record({
    owner: fc.constantFrom('ann', 'bob'),
    n: fc.integer({ min: 0, max: 3 }),
    tenant: fc.constantFrom('t1', 't2'),
  });

  it('allows a row exactly when one of its rules does, judged one by one', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 4 }),
        fc.subarray(['r1', 'r2']),
        row,
        fc.boolean(),
        (rules, held, value, hasTenant) => {
          const identity = ann(held, hasTenant ? { tenant: 't1' } : {});
          for (const name of names) {
            for (const action of ['read', 'write'] as const) {
              const expected = rules.some((each) => ruleAllows(each, identity, action, name, value));
              expect(allows(rules, identity, action, name, value)).toBe(expected);
            }
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  function allows(rules: readonly Rule[], identity: Identity, action: Action, name: string, value: unknown): boolean {
    const verdict = new Verdicts(identity, createPermissions(rules, SILENT)).for(action, name);
    return verdict.allowed && (verdict.rows === null || verdict.rows.matches('key', value));
  }

  /** The same question, answered as naively as possible. */
  function ruleAllows(
    each: Rule,
    identity: Identity,
    action: Action,
    name: string,
    value: Record<string, unknown>,
  ): boolean {
    const glob = new RegExp(`^${String(each.maps).replaceAll('*', '.*')}$`);
    if (!each.allow.includes(action) || !glob.test(name)) return false;
    if (each.roles !== undefined && !each.roles.some((role) => identity.roles.includes(role))) return false;
    const where = each.where as Record<string, unknown> | undefined;
    if (where === undefined) return true;
    if ('owner' in where) return value.owner === identity.subject;
    if ('n' in where) return (value.n as number) > 1;
    return identity.claims.tenant !== undefined && value.tenant === identity.claims.tenant;
  }
});

it('verdicts are remembered for a bounded number of names', () => {
  let asked = 0;
  const permissions = createPermissions(() => {
    asked++;
    return true;
  }, SILENT);
  const verdicts = new Verdicts(ann(), permissions);
  for (let i = 0; i < 10; i++) verdicts.for('read', 'same');
  expect(asked).toBe(1);
  for (let i = 0; i < 5_000; i++) verdicts.for('read', `map-${i}`);
  // It had to be forgotten, and is asked again.
  verdicts.for('read', 'same');
  expect(asked).toBe(5_002);
});

describe('the row guard', () => {
  it('knows who else writes a key, until the last write is done', () => {
    const guard = new RowGuard();
    guard.enter('m', 'k', 'ann');
    expect(guard.isContended('m', 'k', 'ann')).toBe(false);
    expect(guard.isContended('m', 'k', 'bob')).toBe(true);
    guard.enter('m', 'k', 'bob');
    guard.leave('m', 'k');
    expect(guard.isContended('m', 'k', 'ann')).toBe(true);
    guard.leave('m', 'k');
    expect(guard.isContended('m', 'k', 'ann')).toBe(false);
    expect(guard.size).toBe(0);
  });

  it('never takes two keys for one', () => {
    const guard = new RowGuard();
    guard.enter('a', 'bc', 'ann');
    expect(guard.isContended('ab', 'c', 'bob')).toBe(false);
  });
});
