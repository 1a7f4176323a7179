import { expect, test } from 'vitest';
import { chips, fields, isEmpty, readFilter, toInput, toQuery, withValues, writeFilter, type Filter } from './filter.ts';

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

test('several users and actions, and what is searched for', () => {
  expect(toInput({ user: [id, 'nobody'], action: ['a', 'b'] })).toEqual({ userIdIn: [id, null], actionIn: ['a', 'b'] });
  expect(toInput({ user: ['nobody'] })).toEqual({ userIdIn: [null] });
  expect(
    toInput({ text: ['otto'], resource: ['key:web-*'], job: ['2026'], request: ['r1'], code: ['400-599'], slow: ['1000'] }),
  ).toEqual({
    text: 'otto',
    resource: 'key:web-*',
    saltJid: '2026',
    requestId: 'r1',
    resultCodeMin: 400,
    resultCodeMax: 599,
    durationMsMin: 1000,
  });
});

test.each([
  ['code', '404', '404'],
  ['code', ' 400 – 499 ', '400-499'],
  ['code', '5xx', '500-599'],
  ['code', '403-403', '403'],
  ['code', '499-400', null],
  ['code', '99', null],
  ['code', '6xx', null],
  ['slow', '0250 ms', '250'],
  ['slow', '0', '0'],
  ['slow', '-1', null],
  ['slow', '1e3', null],
  ['text', ' ab ', null],
  ['text', ' äöü ', 'äöü'],
  ['text', 'x'.repeat(201), null],
  ['resource', '', null],
  ['resource', 'x'.repeat(255), 'x'.repeat(255)],
  ['resource', 'x'.repeat(256), null],
  ['user', 'nobody', 'nobody'],
  ['user', 'vera', null],
  ['decision', 'maybe', null],
] as const)('%s %j is read as %j', (key, text, value) => expect(fields[key].read(text)).toBe(value));

test('as the REST contract takes it', () => {
  for (const more of [{ user: [id, id.replace('7', '8')] }, { user: ['nobody'] }, { action: ['a', 'b'] }, { text: ['otto'] }, { slow: ['1'] }]) {
    expect(toQuery({ ...filter, ...more })).toBeNull();
  }
  expect([...toQuery(filter)!]).toEqual([
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
