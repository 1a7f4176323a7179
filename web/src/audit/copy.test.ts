import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { buildSchema, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { text } from './client.ts';
import { asCurl, asGraphQL, entryQuestion, exportAsCurl, exportPath, listQuestion } from './copy.ts';
import { documents } from './documents.ts';

test('every document is one of the schema', () => {
  const schema = buildSchema(readFileSync(new URL('../../../schema.graphqls', import.meta.url), 'utf8'));
  for (const document of documents) expect(validate(schema, parse(text(document))).map(({ message }) => message)).toEqual([]);
});

test('what is copied as GraphQL can be pasted', () => {
  const copied = asGraphQL(listQuestion({ action: "it's" }, 50, 100));
  expect(() => parse(copied)).not.toThrow();
  expect(copied).toContain('#   "offset": 100');
});

/** The arguments that a shell makes of a command that begins with curl. */
function words(command: string): string[] {
  const script = command.replace(/^curl/, 'printf "%s\\n"').replace(/\\\n/g, ' ');
  return execFileSync('sh', ['-c', script], { encoding: 'utf8' }).trimEnd().split('\n');
}

test('what is copied as curl survives a shell', () => {
  const question = listQuestion({ action: `it's "$(quoted)" \`x\` \\ &` }, 50, 0);
  const found = words(asCurl(question, 'http://localhost:8080'));
  expect(found.slice(0, 5)).toEqual(['-b', 'session.txt', '-H', 'Content-Type: application/json', '-d']);
  const body = JSON.parse(found[5]!);
  expect(body.variables).toEqual(question.variables);
  expect(() => parse(body.query)).not.toThrow();
  expect(found[6]).toBe('http://localhost:8080/graphql');
  expect(words(asCurl(entryQuestion('5'), 'http://h'))[5]).toContain('"id":"5"');
});

test('where an export is had', () => {
  expect(exportPath({}, 'csv')).toBe('/api/audit/export?format=csv');
  expect(exportPath({ text: ['otto'] }, 'csv')).toBeNull();
  const path = exportPath({ action: ["it's"], decision: ['deny'] }, 'ndjson')!;
  expect(words(exportAsCurl(path, 'http://h')).at(-1)).toBe(
    'http://h/api/audit/export?action=it%27s&decision=deny&format=ndjson',
  );
});
