import { ask, Failure } from './client.ts';
import { entryDocument, listDocument, type FilterInput, type Row } from './documents.ts';
import { next } from './time.ts';

// Pages stay where they are while rows are written because each is taken of the entries up to one of them, the view's
// asOf. Until the schema's filter takes that id, the entry's moment stands for it: moments never decrease as ids grow.

const moments = new Map<string, string>();

/** Remembers the moments of rows, any of which may become the newest that is looked at. */
export function remember(rows: readonly Row[]): void {
  const newest = rows[0];
  if (newest) moments.set(newest.id, newest.at);
}

/** The moment of an entry. Asked for, and so recorded, where it is not known. */
export async function momentOf(id: string, signal?: AbortSignal): Promise<string> {
  const known = moments.get(id);
  if (known !== undefined) return known;
  const { auditEntry } = await ask(entryDocument, { id }, signal);
  if (!auditEntry) throw new Failure('NOT_FOUND', `There is no entry ${id}.`);
  moments.set(id, auditEntry.at);
  return auditEntry.at;
}

/** The filter, restricted to the entries up to asOf. */
export async function pinned(input: FilterInput, asOf: string | null, signal?: AbortSignal): Promise<FilterInput> {
  if (asOf === null) return input;
  const until = next(await momentOf(asOf, signal));
  return { ...input, until: input.until && input.until < until ? input.until : until };
}

/** The id of the newest entry there is. */
export async function newest(signal?: AbortSignal): Promise<string | null> {
  const { auditEntries } = await ask(listDocument, { filter: {}, limit: 1, offset: 0 }, signal);
  remember(auditEntries?.entries ?? []);
  return auditEntries?.entries[0]?.id ?? null;
}
