import { expect, test } from 'vitest';
import { ago, clock, duration, exact, fromField, next, toField, toMoment, toSecond } from './time.ts';

test('the zone of these tests has summer time', () => {
  expect(Intl.DateTimeFormat().resolvedOptions().timeZone).toBe('Europe/Berlin');
});

test('a moment, to the second and exactly', () => {
  expect(toSecond('2026-01-02T23:04:05.678901Z', 'utc')).toBe('2026-01-02 23:04:05');
  expect(toSecond('2026-01-02T23:04:05.678901Z', 'local')).toBe('2026-01-03 00:04:05');
  expect(exact('2026-01-02T23:04:05.678901Z', 'utc')).toBe('2026-01-02 23:04:05.678901 UTC');
  expect(exact('2026-07-02T23:04:05.6Z', 'local')).toBe('2026-07-03 01:04:05.600000 +02:00');
  expect(toSecond('no moment', 'utc')).toBe('no moment');
  expect(clock(Date.UTC(2026, 0, 2, 23, 4, 5), 'local')).toBe('00:04:05');
});

test('what a text names', () => {
  expect(toMoment('2026-01-02T03:04:05.678901Z')).toBe('2026-01-02T03:04:05.678901Z');
  expect(toMoment('2026-01-02T03:04:05Z')).toBe('2026-01-02T03:04:05.000000Z');
  expect(toMoment('2026-07-02T03:04:05+02:00')).toBe('2026-07-02T01:04:05.000000Z');
  expect(toMoment('2026-01-02T03:04')).toBe('2026-01-02T02:04:00.000000Z');
  for (const text of ['', 'yesterday', '2026-13-01T00:00:00Z', '+012026-01-01T00:00:00Z']) expect(toMoment(text)).toBeNull();
});

test('through a field', () => {
  for (const zone of ['utc', 'local'] as const) {
    for (const at of ['2026-01-02T23:04:05.000000Z', '2026-07-02T23:04:05.000000Z']) expect(fromField(toField(at, zone), zone)).toBe(at);
  }
  expect(fromField('', 'utc')).toBeNull();
  expect(fromField('2026-07-02T01:00', 'utc')).toBe('2026-07-02T01:00:00.000000Z');
  expect(fromField('2026-07-02T01:00', 'local')).toBe('2026-07-01T23:00:00.000000Z');
});

test('one microsecond later', () => {
  expect(next('2026-01-02T03:04:05.678901Z')).toBe('2026-01-02T03:04:05.678902Z');
  expect(next('2026-12-31T23:59:59.999999Z')).toBe('2027-01-01T00:00:00.000000Z');
  expect(() => next('now')).toThrow(RangeError);
});

test('so long ago, and for so long', () => {
  expect(ago(3600, new Date('2026-01-02T03:04:05.678Z'))).toBe('2026-01-02T02:04:05.000000Z');
  expect([0, 999, 1000, 59_949, 60_000, 125_000].map(duration)).toEqual(['0 ms', '999 ms', '1.0 s', '59.9 s', '1 min 0 s', '2 min 5 s']);
});
