import { expect, test } from 'vitest';
import { Lines, readFooter } from './footer.ts';

const footer = '{"count":2,"first_id":1,"last_id":9,"filter":{"action":"a\\"b"},"exported_at":"2026-01-01T00:00:00Z","sha256":"ab12"}';
const wanted = { count: 2, firstId: 1, lastId: 9, sha256: 'ab12' };

test('a footer', () => {
  expect(readFooter('ndjson', `{"footer":${footer}}`)).toEqual(wanted);
  expect(readFooter('csv', `"#footer ${footer.replaceAll('"', '""')}"`)).toEqual(wanted);
});

test.each([
  ['ndjson', ''],
  ['ndjson', '{"id":1}'],
  ['ndjson', `{"footer":${footer}`],
  ['ndjson', '{"footer":null}'],
  ['ndjson', '{"footer":{"count":"2","first_id":1,"last_id":9,"sha256":"ab"}}'],
  ['ndjson', 'null'],
  ['csv', ''],
  ['csv', '1,2026,"#footer {}"'],
  ['csv', `{"footer":${footer}}`],
  ['csv', '#footer {}'],
] as const)('no footer in %s: %s', (format, line) => expect(readFooter(format, line)).toBeNull());

/** The lines of a text that comes in pieces of so many bytes. */
function follow(text: string, size: number): Lines {
  const lines = new Lines();
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += size) lines.add(bytes.slice(at, at + size));
  return lines;
}

test('lines, however they are cut into pieces', () => {
  for (let size = 1; size < 20; size++) {
    const lines = follow('first\nsécond\n\nlast ü\r\n', size);
    expect([lines.count, lines.bytes, lines.last]).toEqual([4, 24, { text: 'last ü', before: 15 }]);
    expect(follow('first\nunfinis', size).last.text).toBe('');
    expect(follow('only\n', size).last).toEqual({ text: 'only', before: 0 });
  }
  expect(new Lines().last).toEqual({ text: '', before: 0 });
});

test('the last of many lines', () => {
  const lines = follow(`${'x'.repeat(600_000)}\n${'y'.repeat(1000)}\nend\n`, 65_536);
  expect([lines.count, lines.last]).toEqual([3, { text: 'end', before: 601_002 }]);
});
