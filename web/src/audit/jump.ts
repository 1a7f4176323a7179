import { ask, Failure } from './client.ts';
import { countDocument, type FilterInput } from './documents.ts';
import { isEmpty, toInput, type Filter } from './filter.ts';
import type { Listing } from './queries.ts';
import { isId } from './view.ts';

/** Where a row stands: so many rows behind the newest of those up to an entry. */
export interface Place {
  offset: number;
  asOf: string;
}

/**
 * The place of an entry in the view or, if the filter does not select it, of the next older one that it does. Throws a
 * Failure that says why there is none.
 */
export async function placeOfEntry(filter: Filter, { asOf, total, exact }: Listing, id: string): Promise<Place> {
  if (!isId(id)) throw new Failure('BAD_USER_INPUT', 'The id of an entry is a number from 1 up.');
  if (asOf === null) throw new Failure('NOT_FOUND', 'There is no entry to go to.');
  const behind = BigInt(asOf) - BigInt(id);
  if (behind < 0n) throw new Failure('NOT_FOUND', `Entry ${id} is newer than what is shown. Read the newest entries first.`);
  // Ids have no holes: without a filter the place is a matter of counting.
  if (isEmpty(filter)) {
    if (behind >= BigInt(total)) throw new Failure('NOT_FOUND', `Entry ${id} is no longer kept.`);
    return { offset: Number(behind), asOf };
  }
  // What cannot be counted to is looked at from there on.
  const older = exact ? await count({ ...toInput(filter), asOf: id }) : null;
  if (older === null) return { offset: 0, asOf: id };
  if (older === 0) throw new Failure('NOT_FOUND', `The filter selects neither entry ${id} nor an older one.`);
  return { offset: total - older, asOf };
}

/** The place of the newest row before a moment. Throws a Failure that says why there is none. */
export async function placeOfMoment(filter: Filter, { asOf, total, exact }: Listing, at: string): Promise<Place> {
  if (asOf === null) throw new Failure('NOT_FOUND', 'There is no entry to go to.');
  const input = toInput(filter);
  const newer = exact ? await count({ ...input, asOf, since: input.since && input.since > at ? input.since : at }) : null;
  if (newer === null) throw new Failure('BAD_USER_INPUT', 'With this filter the log is searched, not counted. Set “Before” in the filter instead.');
  if (newer >= total) throw new Failure('NOT_FOUND', 'All entries of this view are later.');
  return { offset: newer, asOf };
}

/** How many entries a filter selects; null if they are too many to be searched. */
async function count(filter: FilterInput): Promise<number | null> {
  const { auditEntries } = await ask(countDocument, { filter });
  return auditEntries?.totalIsExact ? auditEntries.total : null;
}
