import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { client } from './asking.ts';
import { ask, askText, Failure } from './client.ts';
import { entryDocument, facetsDocument, listDocument, rightsDocument, statsDocument, type Row } from './documents.ts';
import { toInput } from './filter.ts';
import { rawMember } from './rawmember.ts';
import type { View } from './view.ts';

/** A page of the log as it was answered. */
export interface Listing {
  rows: readonly Row[];
  /** Entries that the filter selects, up to asOf. */
  total: number;
  /** Whether that are all. */
  exact: boolean;
  /** The oldest entry that a search looked at; null if nothing was left out. */
  searchedTo: string | null;
  /** The newest entry looked at, to which further pages are taken; null if there is none. */
  asOf: string | null;
  /** When it was answered. */
  readAt: number;
  /** What was asked for. */
  page: number;
  size: number;
}

const listKey = ({ filter, page, size, asOf }: View, refresh: number) => ['list', toInput(filter), page, size, asOf, refresh];

/** Makes a page known that need not be asked for, since all of it is here. */
export function know(view: View, listing: Listing): void {
  client.setQueryData(listKey(view, 0), listing);
}

/** The page of the log that the view shows. While another is fetched, the last one stays. */
export function useListing(view: View, refresh: number) {
  const { filter, page, size, asOf } = view;
  const input = toInput(filter);
  // The newest page is the newest of the moment in which it was asked for.
  const fresh = asOf === null ? refresh : 0;
  return useQuery({
    queryKey: listKey(view, fresh),
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }): Promise<Listing> => {
      const { auditEntries } = await ask(
        listDocument,
        { filter: asOf === null ? input : { ...input, asOf }, limit: size, offset: (page - 1) * size },
        signal,
      );
      if (!auditEntries) throw new Failure('INTERNAL_SERVER_ERROR', 'The server answered without a page.');
      const { entries: rows, total, totalIsExact: exact, searchedTo } = auditEntries;
      return { rows, total, exact, searchedTo, asOf: auditEntries.asOf, readAt: Date.now(), page, size };
    },
  });
}

/** How the entries of a view are spread, and what they have most often, up to asOf: as many as the table counts. */
export function usePicture({ filter }: View, asOf: string | null) {
  const input = asOf === null ? toInput(filter) : { ...toInput(filter), asOf };
  const enabled = asOf !== null;
  const stats = useQuery({
    queryKey: ['stats', input],
    enabled,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => ask(statsDocument, { filter: input }, signal),
  });
  const facets = useQuery({
    queryKey: ['facets', input],
    enabled,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => ask(facetsDocument, { filter: input }, signal),
  });
  return { stats, facets };
}

/** One entry, with all that is recorded of it, and the text of its arguments. Entries never change. */
export function useEntry(id: string | null) {
  return useQuery({
    queryKey: ['entry', id],
    enabled: id !== null,
    queryFn: async ({ signal }) => {
      const { data, text } = await askText(entryDocument, { id: id! }, signal);
      if (!data.auditEntry) throw new Failure('NOT_FOUND', 'There is no such entry.');
      return { entry: data.auditEntry, args: data.auditEntry.argsJson === null ? null : rawMember(text, 'argsJson') };
    },
  });
}

/** What the reader may do here. */
export function useRights(signIns: number) {
  return useQuery({ queryKey: ['rights', signIns], queryFn: ({ signal }) => ask(rightsDocument, {}, signal) });
}
