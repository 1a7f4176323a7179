import type { UseQueryResult } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { none, onto } from './arrivals.ts';
import { Feed, type Live } from './feed.ts';
import { toInput } from './filter.ts';
import type { Listing } from './queries.ts';
import { usePointing } from './usePointing.ts';
import type { View } from './view.ts';

const off: Live = { link: { is: 'opening' }, arrivals: none, base: '0' };
const never = () => () => {};

/** Whether the view shows the newest entries, onto which others may come. */
export const isNewest = ({ page, asOf }: View) => page === 1 && asOf === null;

/** Why a view cannot be live; null if it can. */
export const whyNot = ({ filter }: View) => (filter.until ? 'The filter ends before a moment (Before): nothing that is written now is in it.' : null);

/**
 * What is written while a live view is shown. It begins with the newest page and goes on as long as the filter stays and the view is
 * live, whatever page is turned to.
 */
export function useLive(view: View, newest: Listing | null, signIns: number, expire: () => void): Live & { feed: Feed | null } {
  const key = view.live && whyNot(view) === null ? JSON.stringify(toInput(view.filter)) : null;
  const [feed, setFeed] = useState<Feed | null>(null);
  const open = useRef<Feed | null>(null);

  useEffect(
    () => () => {
      open.current?.close();
      open.current = null;
      setFeed(null);
    },
    [key],
  );
  useEffect(() => {
    if (key === null || newest === null) return;
    const base = newest.asOf ?? '0';
    if (open.current) open.current.rebase(base);
    else setFeed((open.current = new Feed(toInput(view.filter), base)));
  }, [key, newest]);

  const { link, arrivals, base } = useSyncExternalStore(feed?.subscribe ?? never, feed?.now ?? (() => off));

  // What ended for want of a session goes on in the next one.
  const refused = link.is === 'ended' && link.failure.code === 'UNAUTHENTICATED';
  const wasRefused = useRef(false);
  useEffect(() => {
    wasRefused.current = refused;
    if (refused) expire();
  }, [refused, expire]);
  useEffect(() => {
    if (wasRefused.current) open.current?.retry();
  }, [signIns]);

  return { feed, link, arrivals, base };
}

/** The page that is shown: what was read, with what came on it. While another is fetched the last one stays as it was. */
export function useShown(listing: UseQueryResult<Listing>, newest: Listing | null, { feed, arrivals, base }: Live & { feed: Feed | null }): Listing | undefined {
  const now = useMemo(
    () => (newest && feed && base === (newest.asOf ?? '0') ? onto(newest, arrivals) : listing.data),
    [listing.data, newest, feed, arrivals, base],
  );
  const last = useRef(now);
  if (!listing.isPlaceholderData) last.current = now;
  return last.current;
}

/** Whether rows are shown as they come: where nothing jumps under the reader's eyes or pointer. Else they wait. */
export function useFlow({ live }: View, feed: Feed | null, free: boolean) {
  const [paused, setPaused] = useState(false);
  const [top, setTop] = useState(true);
  const [pointing, point] = usePointing();
  const following = free && !paused && top && !pointing;
  useEffect(() => {
    if (feed) feed.following = following;
  }, [feed, following]);
  useEffect(() => setPaused(false), [live]);
  return { following, paused, setPaused, setTop, point };
}

/** How a live page says how it stands, where a page says when it was read. */
export function said(view: View, { feed, link }: Live & { feed: Feed | null }, { paused, following }: { paused: boolean; following: boolean }): string | null {
  if (!view.live || whyNot(view) !== null) return null;
  if (!feed) return isNewest(view) ? 'connecting…' : 'live begins at the newest entries';
  switch (link.is) {
    case 'opening':
      return 'connecting…';
    case 'gone':
      return 'not live now';
    case 'ended':
      return 'not live any more';
    case 'open':
      return paused ? 'live, paused' : following ? 'live' : 'live, waiting for you';
  }
}
