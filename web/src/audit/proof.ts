import type { Entry } from './documents.ts';
import { toMoment } from './time.ts';

// What proves an entry, computed here and not taken on trust. docs/checkpoint-format.md specifies it to the byte.

/** What GET /api/audit/proof answers. Hashes are in base64. */
export interface Inclusion {
  leaf_index: number;
  leaf_hash: string;
  tree_size: number;
  hashes: string[];
  checkpoint: string;
}

/** A signed checkpoint, taken apart. */
export interface Checkpoint {
  origin: string;
  size: number;
  root: string;
  /** What is signed. */
  body: string;
  signatures: { name: string; signature: Uint8Array<ArrayBuffer> }[];
}

/** Whether the browser can compute hashes: it can over HTTPS and on localhost. */
export const canProve = () => globalThis.crypto?.subtle !== undefined;

const utf8 = (text: string) => new TextEncoder().encode(text);

const hash = async (...parts: Uint8Array<ArrayBuffer>[]) => new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer()));

const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** The bytes of base64; throws if it is none. */
function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/** Bytes in base64. */
const base64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));

/** The leaf of an entry, behind its version. The arguments are given as the text that the server sent. */
export async function leaf(entry: Omit<Entry, 'argsJson'>, args: string | null): Promise<string> {
  if (!Number.isSafeInteger(Number(entry.id))) throw new RangeError(`the id ${entry.id} is too large for this page`);
  // The keys are in the order of RFC 8785, and JSON.stringify writes texts and integers as it wants them.
  return JSON.stringify({
    action: entry.action,
    args_sha256: args === null ? null : hex(await hash(utf8(args))),
    at: toMoment(entry.at),
    decision: entry.decision === 'DENY' ? 'deny' : 'allow',
    duration_ms: entry.durationMs,
    id: Number(entry.id),
    reason: entry.reason || null,
    request_id: entry.requestId || null,
    resource: entry.resource,
    result_code: entry.resultCode,
    salt_jid: entry.saltJid || null,
    source_ip: entry.sourceIp || null,
    user_agent: entry.userAgent || null,
    user_id: entry.userId,
    username: entry.username || null,
    verb: entry.verb || null,
  });
}

/** The hash of a leaf in the tree, in base64. */
export async function leafHash(leaf: string): Promise<string> {
  return base64(await hash(Uint8Array.of(0, 1), utf8(leaf)));
}

/** The root to which a leaf and the hashes beside its path lead (RFC 9162, 2.1.3.2), in base64; null if they do not fit the tree. */
export async function rootOf(leaf: string, index: number, size: number, hashes: readonly string[]): Promise<string | null> {
  if (!(index >= 0 && index < size)) return null;
  let [at, last] = [BigInt(index), BigInt(size) - 1n];
  let root = bytes(leaf);
  for (const beside of hashes) {
    if (last === 0n) return null;
    if (at & 1n || at === last) {
      root = await node(bytes(beside), root);
      while (!(at & 1n) && at !== 0n) [at, last] = [at >> 1n, last >> 1n];
    } else {
      root = await node(root, bytes(beside));
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  return last === 0n ? base64(root) : null;
}

const node = (left: Uint8Array<ArrayBuffer>, right: Uint8Array<ArrayBuffer>) => hash(Uint8Array.of(1), left, right);

/** Takes a signed checkpoint apart; throws if it is none. */
export function readCheckpoint(note: string): Checkpoint {
  const end = note.indexOf('\n\n');
  const [origin = '', size = '', root = ''] = note.slice(0, Math.max(0, end)).split('\n');
  if (end < 0 || origin === '' || !/^(0|[1-9]\d{0,15})$/.test(size) || bytes(root).length !== 32) throw new SyntaxError('no checkpoint');
  const signatures = note
    .slice(end + 2)
    .split('\n')
    .flatMap((line) => {
      const [, name, signature] = /^— (\S+) (\S+)$/.exec(line) ?? [];
      return name !== undefined && signature !== undefined ? [{ name, signature: bytes(signature) }] : [];
    });
  return { origin, size: Number(size), root, body: note.slice(0, end + 1), signatures };
}

/** A verifier, taken apart: name+hash+key. Null if it is none. */
export async function readVerifier(text: string): Promise<{ name: string; id: string; key: Uint8Array<ArrayBuffer> } | null> {
  const [, name, id, encoded] = /^([^\s+]+)\+([\da-f]{8})\+(\S+)$/.exec(text.trim()) ?? [];
  if (name === undefined || id === undefined || encoded === undefined) return null;
  try {
    const key = bytes(encoded);
    if (key.length !== 33 || key[0] !== 1 || hex((await hash(utf8(`${name}\n`), key)).subarray(0, 4)) !== id) return null;
    return { name, id, key: key.slice(1) };
  } catch {
    return null;
  }
}

/** Whether a checkpoint is signed with a verifier's key. */
export async function isSigned(checkpoint: Checkpoint, verifier: string): Promise<boolean> {
  const known = await readVerifier(verifier);
  if (!known) return false;
  const signed = checkpoint.signatures.find(({ name, signature }) => name === known.name && hex(signature.subarray(0, 4)) === known.id);
  if (!signed) return false;
  const key = await crypto.subtle.importKey('raw', known.key, 'Ed25519', false, ['verify']);
  return crypto.subtle.verify('Ed25519', key, signed.signature.slice(4), utf8(checkpoint.body));
}

/** What came of a proof. */
export interface Verdict {
  /** What does not hold; null if all of it does. */
  fault: string | null;
  checkpoint: Checkpoint;
  /** Whether the signature was checked with the verifier given. */
  signed: boolean;
}

/** Checks that an entry, as it was received, is in the log that a checkpoint names. A verifier that is given must have signed it. */
export async function verify(entry: Omit<Entry, 'argsJson'>, args: string | null, proof: Inclusion, verifier: string): Promise<Verdict> {
  const checkpoint = readCheckpoint(proof.checkpoint);
  const own = await leafHash(await leaf(entry, args));
  const index = Number(entry.id) - 1;
  const signed = verifier !== '' && (await isSigned(checkpoint, verifier));
  const fault =
    own !== proof.leaf_hash
      ? 'The entry that is shown is not the one that was sealed.'
      : proof.leaf_index !== index || proof.tree_size !== checkpoint.size
        ? 'The proof is of another entry or another log.'
        : (await rootOf(own, index, checkpoint.size, proof.hashes)) !== checkpoint.root
          ? 'The proof does not lead to the checkpoint.'
          : verifier !== '' && !signed
            ? 'The checkpoint is not signed with the key you gave.'
            : null;
  return { fault, checkpoint, signed };
}
