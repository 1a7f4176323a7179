import { ask, Failure } from './client.ts';
import { countDocument, type FilterInput } from './documents.ts';
import { isEmpty, toInput, type Filter } from './filter.ts';
import { momentOf, pinned } from './pin.ts';
import type { Listing } from './queries.ts';
import { next } from './time.ts';
import { isId } from './view.ts';

/** How many entries of the view come before an entry. Throws a Failure that says why it has no place there. */
export async function placeOfEntry(filter: Filter, { asOf, total }: Listing, id: string): Promise<number> {
  if (!isId(id)) throw new Failure('BAD_USER_INPUT', 'The id of an entry is a number from 1 up.');
  if (asOf === null) throw new Failure('NOT_FOUND', 'There is no entry to go to.');
  const behind = BigInt(asOf) - BigInt(id);
  if (behind < 0n) throw new Failure('NOT_FOUND', `Entry ${id} is newer than what is shown. Read the newest entries first.`);
  if (isEmpty(filter)) {
    // Ids have no holes: the place is a matter of counting.
    if (behind >= BigInt(total)) throw new Failure('NOT_FOUND', `Entry ${id} is no longer kept.`);
    return Number(behind);
  }
  return newer(filter, asOf, next(await momentOf(id)));
}

/** How many entries of the view are of a moment or later. Throws a Failure if all are. */
export async function placeOfMoment(filter: Filter, { asOf, total }: Listing, at: string): Promise<number> {
  if (asOf === null) throw new Failure('NOT_FOUND', 'There is no entry to go to.');
  const place = await newer(filter, asOf, at);
  if (place >= total) throw new Failure('NOT_FOUND', 'All entries of this view are later.');
  return place;
}

async function newer(filter: Filter, asOf: string, at: string): Promise<number> {
  const input: FilterInput = await pinned(toInput(filter), asOf);
  const since = input.since && input.since > at ? input.since : at;
  const { auditEntries } = await ask(countDocument, { filter: { ...input, since } });
  return auditEntries?.total ?? 0;
}
