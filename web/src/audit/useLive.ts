import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { none } from './arrivals.ts';
import { Feed, type Link, type Live } from './feed.ts';
import { toInput } from './filter.ts';
import type { Listing } from './queries.ts';
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
export function useLive(view: View, newest: Listing | null, signIns: number, expire: () => void) {
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

/** How a live page says how it stands, where a page says when it was read. */
export function said(view: View, live: { feed: Feed | null; link: Link }, paused: boolean, following: boolean): string | null {
  if (!view.live || whyNot(view) !== null) return null;
  if (!live.feed) return isNewest(view) ? 'connecting…' : 'live begins at the newest entries';
  switch (live.link.is) {
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
