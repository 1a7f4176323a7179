import { buildSchema, parse, validate } from 'graphql';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Failure, text } from '../audit/client.ts';
import { everyone, toArgs, toKwargs } from './command.ts';
import { documents } from './documents.ts';
import { may, useful } from './held.ts';
import { faultOf, tell } from './outcome.ts';
import { readPlace, writePlace } from './place.ts';

test('each document is valid in the schema and has one guarded field', () => {
  const schema = buildSchema(readFileSync(new URL('../../../schema.graphqls', import.meta.url), 'utf8'));
  for (const document of documents) {
    expect(validate(schema, parse(text(document))).map(({ message }) => message)).toEqual([]);
    const [operation] = parse(text(document)).definitions;
    expect(operation?.kind === 'OperationDefinition' && operation.selectionSet.selections.length).toBe(1);
  }
});

test('an address holds a place', () => {
  const id = '71a6fc71-b360-58f1-ad61-72e1fda73f25';
  const jid = '20260102030405678901';
  for (const [address, place] of Object.entries({
    '/admin': { part: null, one: null, page: 1, intents: false },
    '/admin/users?page=3': { part: 'users', one: null, page: 3, intents: false },
    [`/admin/roles?id=${id}`]: { part: 'roles', one: id, page: 1, intents: false },
    [`/admin/run?job=${jid}`]: { part: 'run', one: jid, page: 1, intents: false },
    '/admin/run?intents=open': { part: 'run', one: null, page: 1, intents: true },
  } as const)) {
    const { pathname, search } = new URL(address, 'http://localhost');
    expect(readPlace(pathname, search)).toEqual(place);
    expect(writePlace(place)).toBe(address);
  }
});

test('what an address should not hold is left out', () => {
  for (const search of ['?id=1', '?id=%00', '?job=1', '?page=0', '?page=-1', '?page=1.5', '?page=x', '?page=1e300']) {
    expect(readPlace('/admin/users', search)).toEqual({ part: 'users', one: null, page: 1, intents: false });
  }
  expect(readPlace('/admin/none', '')).toEqual({ part: null, one: null, page: 1, intents: false });
});

test('what may be allowed is offered, and nothing else', () => {
  const pair = (verb: string, resourceGlob: string) => [{ verb, resourceGlob }];
  for (const [verb, glob, want] of [
    ['*', '*', true],
    ['manage_user', 'user:*', true],
    ['manage_user', 'user:web-*', true],
    ['manage_user', 'user:alice', true],
    ['manage_?ser', 'u*', true],
    ['manage_user', '[u]ser:*', true],
    ['manage_user', '?ser:x', true],
    ['manage_user', 'users:*', false],
    ['manage_user', 'use', false],
    ['manage_user', 'user', false],
    ['manage_user', 'role:*', false],
    ['view', '*', false],
    ['manage_user', 'v*', false],
  ] as const) {
    expect([verb, glob, may(pair(verb, glob), 'manage_user', 'user')]).toEqual([verb, glob, want]);
  }
  expect(may([], 'view', 'user')).toBe(false);
  expect(useful(pair('*', '*'))).toEqual(['users', 'roles', 'settings', 'run', 'keys']);
  expect(useful([...pair('view', '*'), ...pair('execute', 'salt:test.*')])).toEqual(['users', 'roles', 'run', 'keys']);
  expect(useful(pair('view', 'audit:*'))).toEqual([]);
});

test('a failure says whether something was done', () => {
  const unknown = new Failure('SALT_UNAVAILABLE', 'salt-api: connection lost: EOF', { outcomeUnknown: true });
  expect(tell(unknown, 'OUTSIDE', '')).toMatchObject({ kind: 'unknown', intent: true, code: 'SALT_UNAVAILABLE' });
  expect(tell(unknown, 'OUTSIDE', '').text).toMatch(/^salt-api: connection lost: EOF\. It may or may not have been sent\./);
  const lost = new Failure('UNREACHABLE', 'The server does not answer.');
  expect(tell(lost, 'OUTSIDE', '')).toMatchObject({ kind: 'unknown', intent: true });
  expect(tell(lost, 'CHANGE', '').text).toMatch(/^The server does not answer\. It may or may not have been done: if it was, the log has its entry\./);
  expect(tell(lost, 'CHANGE', '').intent).toBeUndefined();
  expect(tell(lost, 'ASK', '')).toMatchObject({ kind: 'failed', text: 'The server does not answer.' });
  const refused = new Failure('SALT_UNAVAILABLE', 'salt-api: unreachable: x', { auditId: '7' });
  expect(tell(refused, 'OUTSIDE', '')).toEqual({ kind: 'failed', text: 'salt-api: unreachable: x.', code: 'SALT_UNAVAILABLE', row: '7' });
  expect(tell(new Failure('FORBIDDEN', 'Forbidden', { auditId: '8' }), 'CHANGE', 'accept on key:a')).toEqual({
    kind: 'refused', text: 'It needs the permission accept on key:a, which you do not hold.', code: 'FORBIDDEN', row: '8',
  });
  expect(tell(new Failure('RATE_LIMITED', 'Too many', { retryAfter: 3 }), 'CHANGE', '').text).toBe('Too many. Try again in 3 seconds.');
});

test('a fault stands at its field', () => {
  expect(faultOf(new Failure('BAD_USER_INPUT', 'email: should be an e-mail address', { field: 'email' }))).toEqual({ field: 'email', text: 'Should be an e-mail address.' });
  expect(faultOf(new Failure('BAD_USER_INPUT', 'args[1]: looks like a keyword argument: use kwargs', { field: 'args[1]' }))).toEqual({
    field: 'args', text: 'Line 2: Looks like a keyword argument: use kwargs.',
  });
  expect(faultOf(new Failure('BAD_USER_INPUT', 'Role not found', { field: 'roleId' }))).toEqual({ field: 'roleId', text: 'Role not found.' });
  expect(faultOf(new Failure('CONFLICT', 'Username already exists'), 'username')).toEqual({ field: 'username', text: 'Username already exists.' });
  expect(faultOf(new Failure('CONFLICT', 'Cannot delete yourself'))).toBeNull();
  expect(faultOf(new Error('x'))).toBeNull();
});

test('a target that is every minion is known', () => {
  for (const [type, target] of [['GLOB', '*'], ['GLOB', ' ** '], ['PCRE', '.*'], ['PCRE', '^.+$'], ['COMPOUND', '*'], ['GRAIN', 'os:*']] as const) {
    expect(everyone(type, target)).toBe(true);
  }
  for (const [type, target] of [['GLOB', 'web*'], ['LIST', '*'], ['NODEGROUP', '*'], ['PCRE', 'web.*'], ['GRAIN', 'os:Debian'], ['COMPOUND', 'web* or db1']] as const) {
    expect(everyone(type, target)).toBe(false);
  }
});

test('arguments are what was typed', () => {
  expect(toArgs('')).toEqual([]);
  expect(toArgs('\n')).toEqual([]);
  expect(toArgs('a b\r\n\r\nc\n')).toEqual(['a b', '', 'c']);
  expect(toKwargs(' ')).toBeNull();
  expect(toKwargs('{"a": [1, null]}')).toEqual({ a: [1, null] });
  for (const bad of ['[]', '1', 'null', '"a"', '{a: 1}', '{']) expect(toKwargs(bad)).toBeUndefined();
});
