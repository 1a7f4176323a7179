import { expect, test } from 'vitest';
import { entryPath, isId, pages, readView, writeView, type View } from './view.ts';

const fresh: View = { filter: {}, page: 1, size: 50, asOf: null, live: false, zone: 'local', picture: false, entry: null };

const read = (address: string) => {
  const { pathname, search } = new URL(address, 'http://localhost');
  return readView(pathname, search);
};

test('a fresh page has a bare address', () => {
  expect(writeView(fresh)).toBe('/audit');
  expect(read('/audit')).toEqual(fresh);
});

const full: View = {
  filter: {
    user: ['71a6fc71-b360-58f1-ad61-72e1fda73f25'],
    action: ['salt.run & more?', 'b'],
    decision: ['deny'],
    since: ['2026-01-02T03:04:05.678901Z'],
    until: ['2026-02-02T00:00:00.000000Z'],
    text: ['ä'.repeat(3)],
    code: ['400-599'],
  },
  page: 17,
  size: 200,
  asOf: '9007199254740993',
  live: true,
  zone: 'utc',
  picture: true,
  entry: '9223372036854775807',
};

test('an address holds all of a view', () => {
  expect(writeView(full)).toBe(
    '/audit/9223372036854775807?user=71a6fc71-b360-58f1-ad61-72e1fda73f25&action=salt.run+%26+more%3F&action=b&decision=deny' +
      '&since=2026-01-02T03:04:05.678901Z&until=2026-02-02T00:00:00.000000Z&text=%C3%A4%C3%A4%C3%A4&code=400-599&page=17&size=200&asOf=9007199254740993&live=1&tz=utc&picture=1',
  );
});

test.each([fresh, full, { ...fresh, page: 2, asOf: '100' }, { ...fresh, entry: '1' }, { ...full, filter: {} }])(
  'what is written is read again: %o',
  (view) => expect(read(writeView(view))).toEqual(view),
);

test.each([
  '/audit?page=0&size=51&asOf=x&tz=mars&picture=yes',
  '/audit?page=-1&size=500000&asOf=0&decision=maybe&user=vera&since=yesterday',
  '/audit?page=1.5&page=2&size=&asOf=-4&until=',
  '/audit/0',
  '/audit/12x',
  '/audit/99999999999999999999',
])('what is not valid is left out: %s', (address) => expect(read(address)).toEqual(fresh));

test('ids', () => {
  expect(['1', '42', '9223372036854775807'].every(isId)).toBe(true);
  expect(['', '0', '01', '-1', '1e3', '1 ', '92233720368547758070'].some(isId)).toBe(false);
  expect(entryPath('5')).toBe('/audit/5');
});

test('pages', () => {
  expect([0, 1, 50, 51, 10_481_203].map((total) => pages(total, 50))).toEqual([1, 1, 1, 2, 209_625]);
});
