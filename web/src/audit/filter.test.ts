import { expect, test } from 'vitest';
import { chips, isEmpty, readFilter, toInput, toQuery, withValues, writeFilter, type Filter } from './filter.ts';

const id = '71a6fc71-b360-58f1-ad61-72e1fda73f25';
const filter: Filter = { user: [id], action: ['auth.login'], decision: ['deny'], since: ['2026-07-01T22:00:00.000000Z'] };

test('as the schema takes it', () => {
  expect(toInput({})).toEqual({});
  expect(toInput(filter)).toEqual({ userId: id, action: 'auth.login', decision: 'DENY', since: '2026-07-01T22:00:00.000000Z' });
  expect(toInput({ decision: ['allow'], until: ['2026-01-01T00:00:00.000000Z'], action: [] })).toEqual({
    decision: 'ALLOW',
    until: '2026-01-01T00:00:00.000000Z',
  });
});

test('as the REST contract takes it', () => {
  expect([...toQuery(filter)]).toEqual([
    ['user_id', id],
    ['action', 'auth.login'],
    ['decision', 'deny'],
    ['since', '2026-07-01T22:00:00.000000Z'],
  ]);
});

test('through the address', () => {
  const params = new URLSearchParams();
  writeFilter(filter, params);
  expect(readFilter(params)).toEqual(filter);
  expect(readFilter(new URLSearchParams(`user=${id.toUpperCase()}&decision=DENY&action=+&since=2026-07-02T00:00:00%2B02:00`))).toEqual({
    user: [id],
    since: ['2026-07-01T22:00:00.000000Z'],
  });
});

test('values come and go', () => {
  expect(withValues(filter, 'user', [])).toEqual({ action: ['auth.login'], decision: ['deny'], since: filter.since });
  expect(withValues({}, 'action', ['a'])).toEqual({ action: ['a'] });
  expect(isEmpty({})).toBe(true);
  expect(isEmpty({ user: [] })).toBe(true);
  expect(isEmpty(filter)).toBe(false);
});

test('chips are in words', () => {
  expect(chips(filter, 'local', new Map([[id, 'vera']])).map(({ label, text }) => `${label}: ${text}`)).toEqual([
    'User: vera',
    'Action: auth.login',
    'Decision: denied',
    'From: 2026-07-02 00:00:00 +02:00',
  ]);
  expect(chips(filter, 'utc', new Map()).map(({ text }) => text)).toEqual([id, 'auth.login', 'denied', '2026-07-01 22:00:00 UTC']);
  expect(chips({ since: ['2026-07-01T22:00:00.000001Z'] }, 'utc', new Map())[0]?.text).toBe('2026-07-01 22:00:00.000001 UTC');
});
