import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import type { TadaDocumentNode } from 'gql.tada';
import { useEffect, useRef, type ReactNode } from 'react';
import { askAgain, client, useGone } from '../audit/asking.ts';
import { askText, Failure } from '../audit/client.ts';
import { clock } from '../audit/time.ts';
import { useDesk } from './desk.tsx';
import { EntryLink, Link } from './parts.tsx';

/** An answer, the row that it left, and when it came. */
export interface Read<Data> {
  data: Data;
  row: string | undefined;
  readAt: number;
}

interface Options<Data> {
  /** Whether it is asked for at all. */
  enabled?: boolean;
  /** What is known of it already; it is not asked for then. */
  initial?: () => Read<Data> | undefined;
}

/** Asks once, and not again before the reader says so. */
export function useRead<Data, Variables>(
  key: readonly unknown[],
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
  { enabled = true, initial }: Options<Data> = {},
) {
  return useQuery({
    queryKey: key,
    enabled,
    ...(initial && { initialData: initial }),
    queryFn: async ({ signal }): Promise<Read<Data>> => {
      const { data, rows } = await askText(document, variables, signal);
      return { data, row: rows[0], readAt: Date.now() };
    },
  });
}

/** Puts what a change answered in the place of what was read before. */
export function amend<Data>(key: readonly unknown[], change: (data: Data) => Data): void {
  client.setQueriesData<Read<Data>>({ queryKey: key }, (read) => read && { ...read, data: change(read.data) });
}

interface Props<Data> {
  query: UseQueryResult<Read<Data>>;
  /** What is read, as in "You may not read the users". */
  what: string;
  /** The permission, such as `view on user:*`. */
  needs: string;
  children: (data: Data) => ReactNode;
}

/** What was read, or why it was not. */
export function Answered<Data>({ query, what, needs, children }: Props<Data>) {
  const { expire, signIns } = useDesk();
  const gone = useGone(query);
  const { data: read, error } = query;

  // What was refused for want of a session is asked again in the next one.
  const signedOut = error instanceof Failure && error.code === 'UNAUTHENTICATED';
  const refused = useRef(false);
  useEffect(() => {
    if (signedOut && !query.isFetching) {
      refused.current = true;
      expire();
    }
  }, [signedOut, query.isFetching, expire]);
  useEffect(() => {
    if (refused.current) void query.refetch();
    refused.current = false;
  }, [signIns]);

  return (
    <div className="answered" aria-busy={query.isFetching}>
      {gone && (
        <div className="gone" role="alert">
          <p>
            <b>{gone.message}</b> It has been away since {clock(gone.since, 'local')}. The page keeps trying.
          </p>
          <button type="button" onClick={() => void askAgain(query)}>Try now</button>
        </div>
      )}
      {error && !signedOut && <Refusal error={error} what={what} needs={needs} onRetry={() => void query.refetch()} />}
      {!read && query.isFetching && !gone && <p className="waiting" role="status">Reading {what}…</p>}
      {read && !error && (
        <>
          {children(read.data)}
          <p className="read-at">
            {query.isFetching ? 'Reading again. What is shown was read at' : 'Read at'} {clock(read.readAt, 'local')}
            {read.row !== undefined && <>, recorded as <EntryLink id={read.row} /></>}.{' '}
            <button type="button" className="plain" onClick={() => void query.refetch()}>Read again</button>
          </p>
        </>
      )}
    </div>
  );
}

function Refusal({ error, what, needs, onRetry }: { error: Error; what: string; needs: string; onRetry: () => void }) {
  const { code, auditId, retryAfter } = error instanceof Failure ? error : new Failure('', error.message);
  const forbidden = code === 'FORBIDDEN';
  return (
    <section className="state" role="alert">
      <h2>{forbidden ? `You may not read ${what}` : `What the server said of ${what}`}</h2>
      {forbidden ? (
        <p>
          It needs the permission <code>{needs}</code>. Ask an administrator for a role that has it; it acts at once.
        </p>
      ) : (
        <p>
          {error.message.replace(/[.\s]*$/, '.')} {code && <code>{code}</code>} {retryAfter !== undefined && `Try again in ${retryAfter} seconds.`}
        </p>
      )}
      {/not configured/.test(error.message) && (
        <p>
          The connection is made in <Link to="/admin/settings">Settings</Link>.
        </p>
      )}
      {auditId !== undefined && <p>Recorded as <EntryLink id={auditId} />.</p>}
      <div className="buttons">
        <button type="button" className="plain" onClick={onRetry}>Try again</button>
      </div>
    </section>
  );
}
