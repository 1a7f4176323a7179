import { expect, test } from 'vitest';
import { changeOf, diff } from './diff.ts';
import type { Json } from './json.ts';

test('what differs, in the order of the keys', () => {
  expect(
    diff(
      { name: 'vera', active: true, email: null, roles: ['viewer'], deep: { a: 1, b: { c: 2 } } },
      { name: 'vera', active: false, email: 'v@example.org', roles: ['viewer', 'operator'], deep: { a: 1, b: { c: 3 }, d: {} } },
    ),
  ).toEqual([
    { path: 'active', before: true, after: false },
    { path: 'deep.b.c', before: 2, after: 3 },
    { path: 'email', before: null, after: 'v@example.org' },
    { path: 'roles', before: ['viewer'], after: ['viewer', 'operator'] },
  ]);
});

test('what was not there', () => {
  expect(diff(undefined, { a: 1 })).toEqual([{ path: 'a', before: undefined, after: 1 }]);
  expect(diff({ a: 1 }, null)).toEqual([{ path: 'a', before: 1, after: undefined }]);
  expect(diff({ a: { b: 1 } }, { a: 'text' })).toEqual([{ path: 'a', before: { b: 1 }, after: 'text' }]);
  expect(diff(undefined, undefined)).toEqual([]);
  expect(diff({}, {})).toEqual([]);
  expect(diff('a', 'b')).toEqual([{ path: '', before: 'a', after: 'b' }]);
});

test('whether an entry tells of a change', () => {
  expect(changeOf({ id: 1, before: { a: 1 }, after: { a: 2 } })).toEqual({ before: { a: 1 }, after: { a: 2 } });
  expect(changeOf({ after: 1 })).toEqual({ before: undefined, after: 1 });
  for (const args of [null, undefined, {}, { other: 1 } as Json, ['before'], 'before']) expect(changeOf(args)).toBeNull();
});
