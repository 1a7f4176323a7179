import { expect, test } from 'vitest';
import { bytes, count, outcome, range, sentence } from './format.ts';
import { parse } from './json.ts';

test('which entries are shown', () => {
  expect(range(1, 50, 50, 10_481_203, true)).toBe('1 to 50 of 10,481,203');
  expect(range(209_625, 50, 3, 10_481_203, true)).toBe('10,481,201 to 10,481,203 of 10,481,203');
  expect(range(1, 50, 0, 0, true)).toBe('none of 0');
  expect(range(2, 50, 50, 1234, false)).toBe('51 to 100 of at least 1,234');
  expect([count(1, 'entry', 'entries'), count(1234, 'entry', 'entries')]).toEqual(['1 entry', '1,234 entries']);
  expect([0, 999, 1000, 6_200_000, 3e9].map(bytes)).toEqual(['0 B', '999 B', '1.0 kB', '6.2 MB', '3.0 GB']);
});

test('a reason as a sentence', () => {
  const say = (decision: 'ALLOW' | 'DENY', reason: string | null) => sentence({ decision, reason });
  expect(say('ALLOW', 'allowed by role operator: execute salt:*')).toBe('Allowed by role operator: execute salt:*');
  expect(say('DENY', 'no match among 3 permissions of role viewer')).toBe('Denied: no match among 3 permissions of role viewer');
  expect(say('DENY', null)).toBe('Denied: no reason was recorded');
  expect(say('ALLOW', '')).toBe('Allowed: no reason was recorded');
  expect([outcome(502), outcome(299)]).toEqual(['Salt refused or failed', '']);
});

test('JSON is read as JSON', () => {
  const text = '{"a":[1,-2.5,"3",null,true],"b":{}}';
  expect(parse(text)).toEqual(JSON.parse(text));
  expect(() => parse('{')).toThrow(SyntaxError);
});
