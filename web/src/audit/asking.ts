import { QueryClient, type UseQueryResult } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Failure } from './client.ts';

/**
 * Every question of a page goes through here. Nothing is asked again by itself, since each answer leaves a row in the
 * log; but while the server is gone, which leaves none, it is asked until it is back.
 */
export const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Infinity,
      networkMode: 'always', // the server may be this machine
      refetchOnMount: false,
      refetchOnReconnect: false,
      refetchOnWindowFocus: false,
      retryOnMount: false,
      retry: (_, error) => error instanceof Failure && error.gone,
      retryDelay: (count) => Math.min(1000 * 2 ** count, 8000),
    },
  },
});

/** Since when the server has been gone for a question, and what is said of it; null while it is there. */
export function useGone({ failureReason, isFetching, isPlaceholderData, isSuccess, isError }: UseQueryResult<unknown>) {
  const [gone, setGone] = useState<{ since: number; message: string } | null>(null);
  const away = isFetching && failureReason instanceof Failure && failureReason.gone ? failureReason.message : null;
  const over = isError || (isSuccess && !isPlaceholderData && !isFetching);
  useEffect(() => {
    if (away !== null) setGone((before) => before ?? { since: Date.now(), message: away });
    else if (over) setGone(null);
  }, [away, over]);
  return gone;
}

/** Asks again at once, also where the next attempt is being waited for. */
export async function askAgain(query: UseQueryResult<unknown>): Promise<void> {
  await client.cancelQueries({ predicate: ({ state }) => state.fetchStatus === 'fetching' && state.fetchFailureCount > 0 });
  await query.refetch();
}
