import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isSigned, leaf, leafHash, readCheckpoint, readVerifier, rootOf, verify, type Inclusion } from './proof.ts';
import { rawMember } from './rawmember.ts';

const golden = JSON.parse(readFileSync(new URL('../../../internal/merkle/testdata/golden.json', import.meta.url), 'utf8'));

/** An entry of the vectors, as the page has it. */
const entryOf = (entry: Record<string, any>) => ({
  id: String(entry['id']),
  at: entry['at'],
  userId: entry['user_id'],
  action: entry['action'],
  resource: entry['resource'],
  saltJid: entry['salt_jid'],
  decision: entry['decision'] === 'deny' ? ('DENY' as const) : ('ALLOW' as const),
  resultCode: entry['result_code'],
  durationMs: entry['duration_ms'],
  username: entry['username'],
  verb: entry['verb'],
  reason: entry['reason'],
  requestId: entry['request_id'],
  sourceIp: entry['source_ip'],
  userAgent: entry['user_agent'],
});

test.each(golden.leaves as { name: string; entry: Record<string, any>; leaf: string; hash: string }[])('leaf: $name', async (vector) => {
  if (vector.entry['id'] > Number.MAX_SAFE_INTEGER) {
    await expect(leaf(entryOf(vector.entry), vector.entry['args'])).rejects.toThrow(RangeError);
    return;
  }
  const text = await leaf(entryOf(vector.entry), vector.entry['args']);
  expect(text).toBe(vector.leaf);
  expect(Buffer.from(await leafHash(text), 'base64').toString('hex')).toBe(vector.hash);
});

// The example of docs/checkpoint-format.md, signed with the key whose seed is 32 zero bytes.
const note =
  'example.org/log\n20852163\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n\n' +
  '— example.org/log TpMzA27mvZE3PUTV5JXEuSHZm0F69E14Y9WQrTEw0zXoX6btpaL3zYyZZ7mP0UcJShjNwQgVystgrR61ej/clZmfsAk=\n';
const verifier = 'example.org/log+4e933303+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop';

test('a signed checkpoint', async () => {
  const checkpoint = readCheckpoint(note);
  expect([checkpoint.origin, checkpoint.size]).toEqual(['example.org/log', 20852163]);
  expect(await isSigned(checkpoint, verifier)).toBe(true);
  expect(await isSigned(readCheckpoint(note.replace('20852163', '20852164')), verifier)).toBe(false);
  expect(await isSigned(checkpoint, verifier.replace('4e933303', '4e933304'))).toBe(false);
  expect(await isSigned({ ...checkpoint, signatures: [] }, verifier)).toBe(false);
  for (const text of ['', 'x', 'example.org/log+4e933303+', `PRIVATE+KEY+${verifier}`, verifier.replace('ATtq', 'AT')]) {
    expect(await readVerifier(text)).toBeNull();
  }
  for (const text of ['', 'a\n1\n', note.replace('\n\n', '\n'), note.replace('20852163', '-1'), note.replace('SBNJ', 'SB')]) {
    expect(() => readCheckpoint(text)).toThrow();
  }
});

const sha256 = async (...bytes: number[]) => Buffer.from(await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes)));

/** The root of leaf hashes, and the hashes beside the path of one, as RFC 6962 defines them. */
async function tree(leaves: Buffer[], index: number): Promise<{ root: Buffer; path: string[] }> {
  if (leaves.length === 1) return { root: leaves[0]!, path: [] };
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  const [left, right] = [await tree(leaves.slice(0, k), index), await tree(leaves.slice(k), index - k)];
  const root = await sha256(1, ...left.root, ...right.root);
  const path = index < k ? [...left.path, right.root.toString('base64')] : [...right.path, left.root.toString('base64')];
  return { root, path };
}

test('each leaf of each small tree, and nothing else', async () => {
  const leaves = await Promise.all(Array.from({ length: 20 }, (_, index) => sha256(index)));
  for (let size = 1; size <= leaves.length; size++) {
    for (let index = 0; index < size; index++) {
      const { root, path } = await tree(leaves.slice(0, size), index);
      const [own, wanted] = [leaves[index]!.toString('base64'), root.toString('base64')];
      expect(await rootOf(own, index, size, path)).toBe(wanted);
      if (size > 1) expect(await rootOf(own, (index + 1) % size, size, path)).not.toBe(wanted);
      expect(await rootOf(own, index, size, [...path, own])).not.toBe(wanted);
      if (path.length > 0) expect(await rootOf(own, index, size, path.slice(1))).not.toBe(wanted);
    }
  }
  expect(await rootOf(leaves[0]!.toString('base64'), 1, 1, [])).toBeNull();
});

test('an entry that was changed does not verify', async () => {
  const { entry, hash } = golden.leaves[1];
  const own = Buffer.from(hash, 'hex');
  const other = await sha256(7);
  const root = await sha256(1, ...other, ...own);
  const proof: Inclusion = {
    leaf_index: 1,
    leaf_hash: own.toString('base64'),
    tree_size: 2,
    hashes: [other.toString('base64')],
    checkpoint: `example.org/log\n2\n${root.toString('base64')}\n\n`,
  };
  const check = async (more: object, args = entry.args, key = '', with_ = proof) => (await verify({ ...entryOf(entry), ...more }, args, with_, key)).fault;
  expect(await check({})).toBeNull();
  expect(await check({ resource: 'salt:*' })).toContain('not the one that was sealed');
  expect(await check({}, `${entry.args} `)).toContain('not the one that was sealed');
  expect(await check({}, entry.args, '', { ...proof, tree_size: 3 })).toContain('another log');
  expect(await check({}, entry.args, '', { ...proof, hashes: [] })).toContain('does not lead to the checkpoint');
  expect(await check({}, entry.args, verifier)).toContain('not signed with the key');
});

test('the text of a value as it is written', () => {
  const json = String.raw`{"data": {"e": {"x": "\"argsJson\": 1, [{", "argsJson": {"a" :  [1.50, "}]\"", {}], "argsJson": 2} , "y": 3}}}`;
  expect(rawMember(json, 'argsJson')).toBe(String.raw`{"a" :  [1.50, "}]\"", {}], "argsJson": 2}`);
  expect(rawMember(json, 'y')).toBe('3');
  expect(rawMember(json, 'none')).toBeNull();
  expect(rawMember('{"a":null}', 'a')).toBe('null');
  expect(rawMember('{"a":"b\\\\"}', 'a')).toBe('"b\\\\"');
});
