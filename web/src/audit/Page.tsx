import { useCallback, useEffect, useRef, useState, type ReactNode } from 'react';
import type { Owner } from '../Shell.tsx';
import { askAgain, client, useGone } from './asking.ts';
import { Failure } from './client.ts';
import { Drawer } from './Drawer.tsx';
import { FilterBar, firstField } from './FilterBar.tsx';
import { fields, isEmpty, withValues, type Filter, type Key } from './filter.ts';
import { GoTo } from './GoTo.tsx';
import { Help } from './Help.tsx';
import { placeOfEntry, placeOfMoment, type Place } from './jump.ts';
import { useKeys, useShortcuts } from './keys.ts';
import { learn } from './known.ts';
import { Ended, LiveSwitch, Waiting } from './Live.tsx';
import { Picture } from './Picture.tsx';
import { know, useListing, useRights } from './queries.ts';
import { useView } from './router.ts';
import { Gone, Loading, NoMatch, NoPermission, NothingRecorded, PastTheEnd, Refused, Searched, useSlow } from './States.tsx';
import { entries, Table } from './Table.tsx';
import { TakeAway } from './TakeAway.tsx';
import { Toolbar } from './Toolbar.tsx';
import { isNewest, said, useFlow, useLive, useShown, whyNot } from './useLive.ts';
import { useMedia } from './useMedia.ts';
import { pages, writeView, type View } from './view.ts';

type Over = 'help' | 'goto' | 'takeaway' | null;

/** The log: a filter, a table, and a drawer with one entry. */
export function Page({ username, signIns, expire }: Owner) {
  const [view, go] = useView();
  const [refresh, setRefresh] = useState(0);
  const [over, setOver] = useState<Over>(null);
  const [active, setActive] = useState(-1);
  const [nonce, setNonce] = useState(0);
  const [shortcuts] = useShortcuts();
  const narrow = useMedia('(max-width: 900px)');

  const listing = useListing(view, refresh);
  const rights = useRights(signIns);
  const { error } = listing;
  const waiting = listing.isFetching && (listing.isPlaceholderData || !listing.data);
  const slow = useSlow(waiting);

  const newest = isNewest(view) && !listing.isPlaceholderData && listing.data ? listing.data : null;
  const live = useLive(view, newest, signIns, expire);
  const { feed, link, arrivals } = live;
  const data = useShown(listing, newest, live);
  const rows = data?.rows ?? [];
  const listingGone = useGone(listing);
  const gone = listingGone ?? (feed && link.is === 'gone' ? link : null);
  const flow = useFlow(view, feed, newest !== null && active < 0 && view.entry === null && over === null);

  useEffect(() => learn(rows), [rows]);

  // What was refused for want of a session is asked again in the next one.
  const refused = useRef(false);
  const isRefused = error instanceof Failure && error.code === 'UNAUTHENTICATED';
  useEffect(() => {
    refused.current = isRefused;
    if (isRefused) expire();
  }, [isRefused, error, expire]);
  useEffect(() => {
    if (refused.current) void listing.refetch();
    void client.resetQueries({ predicate: (query) => query.queryKey[0] === 'entry' && query.state.status === 'error' });
  }, [signIns]);

  // The row that a jump leads to, once its page is there.
  const target = useRef(-1);
  useEffect(() => {
    if (!data || listing.isPlaceholderData) return;
    const index = Math.min(target.current, data.rows.length - 1);
    target.current = -1;
    if (index >= 0) focus(index);
    else setActive(view.entry === null ? -1 : data.rows.findIndex(({ id }) => id === view.entry));
  }, [listing.data, listing.isPlaceholderData]);

  const focus = useCallback((index: number) => {
    setActive(index);
    setNonce((count) => count + 1);
  }, []);

  const toFilter = (filter: Filter) => {
    setRefresh((count) => count + 1);
    go({ filter, page: 1, asOf: null });
  };
  // The first page of a live log is the newest, with all that came.
  const asOfPage = (page: number) => (feed && page === 1 ? null : (data?.asOf ?? null));
  const toPage = (page: number) => go({ page, asOf: asOfPage(page) });
  const toNewest = () => {
    flow.setPaused(false);
    if (feed && link.is === 'open' && !error) {
      // They are here.
      feed.show();
      setActive(-1);
      document.getElementById(entries)?.scrollTo({ top: 0 });
      document.getElementById(entries)?.focus({ preventScroll: true });
    } else {
      setRefresh((count) => count + 1);
    }
    go({ page: 1, asOf: null });
  };
  const toLive = (live: boolean) => {
    if (whyNot(view) !== null) return;
    if (live) {
      // It goes on where a page was read that is not old.
      if (!newest || Date.now() - newest.readAt > 60_000) setRefresh((count) => count + 1);
      setActive(-1);
      go({ live, page: 1, asOf: null }, 'replace');
      return;
    }
    const asOf = newest && data && arrivals.shownCount > 0 ? data.asOf : view.asOf;
    // What came stays, as a page of the log up to there.
    if (asOf !== view.asOf) know({ ...view, asOf }, { ...data!, readAt: Date.now() });
    go({ live, asOf }, 'replace');
  };
  const toSize = (size: number) => {
    const page = Math.floor(((view.page - 1) * view.size) / size) + 1;
    if (feed && page === 1) setRefresh((count) => count + 1);
    go({ size, page, asOf: asOfPage(page) });
  };
  const open = (entry: string, step: 'push' | 'replace' = view.entry === null ? 'push' : 'replace') => go({ entry }, step);
  const close = () => {
    go({ entry: null });
    if (active >= 0) focus(active);
  };
  /** Leaves the row that the keyboard is at. */
  const leave = () => {
    if (active < 0) return;
    setActive(-1);
    document.getElementById(entries)?.focus({ preventScroll: true });
  };
  const coming = feed !== null && link.is !== 'ended';
  const step = (by: number) => {
    if (rows.length === 0) return;
    const to = active < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, active + by));
    focus(to);
    if (view.entry !== null) open(rows[to]!.id);
  };
  const turn = (by: number) => {
    const page = view.page + by;
    if (data && page >= 1 && page <= pages(data.total, view.size)) toPage(page);
  };
  const jump = ({ offset, asOf }: Place) => {
    const page = Math.floor(offset / view.size) + 1;
    const index = offset % view.size;
    const same = asOf === data?.asOf;
    if (page === view.page && same && !listing.isPlaceholderData) focus(Math.min(index, rows.length - 1));
    else target.current = index;
    go({ page, asOf: same ? asOfPage(page) : asOf, entry: null });
  };

  useKeys(
    {
      j: () => step(1),
      k: () => step(-1),
      Enter: () => rows[active] && open(rows[active].id),
      Escape: () => (view.entry !== null ? close() : leave()),
      n: () => turn(1),
      p: () => (coming && view.page === 1 ? flow.setPaused(!flow.paused) : turn(-1)),
      r: toNewest,
      l: () => toLive(!view.live),
      g: () => setOver('goto'),
      v: () => go({ picture: !view.picture }, 'replace'),
      u: () => go({ zone: view.zone === 'utc' ? 'local' : 'utc' }, 'replace'),
      '/': () => document.getElementById(firstField)?.focus(),
      '?': () => setOver('help'),
    },
    shortcuts,
  );

  // The picture counts what the table does, but not again for each entry that comes.
  const [recounts, setRecounts] = useState(0);
  const counted = useHeld(data?.asOf ?? null, feed !== null, JSON.stringify([view.filter, view.picture, recounts]));
  /** Searches what the last search did not look at. */
  const searchOn = () => {
    if (data?.searchedTo) go({ page: 1, asOf: String(BigInt(data.searchedTo) - 1n), entry: null });
  };
  const shown = data && !(error && !listingGone);
  const covered = narrow && view.entry !== null;
  const allOf = (key: Key, value: string): Partial<View> => ({ filter: withValues({}, key, [value]), page: 1, asOf: null, entry: null });

  useEffect(() => {
    document.title = view.entry === null ? 'Log · halite' : `Entry ${view.entry} · halite`;
  }, [view.entry]);

  const forbidden = error instanceof Failure && error.code === 'FORBIDDEN' ? error : null;

  function content(): ReactNode {
    const retry = () => void listing.refetch();
    if (forbidden) {
      const { allowed, reason } = rights.data?.log ?? {}; // asked when the session began: it may have been lost since
      const why = (!allowed && reason) || forbidden.message;
      return <NoPermission username={username} reason={why} auditId={forbidden.auditId} onRetry={retry} />;
    }
    if (error) return isRefused ? null : <Refused error={error} onRetry={retry} onClear={() => toFilter({})} />;
    if (!data) return gone ? null : <Loading slow={slow} />;
    if (data.total === 0) return isEmpty(view.filter) ? <NothingRecorded /> : <NoMatch searchedTo={data.searchedTo} onSearch={searchOn} onClear={() => toFilter({})} />;
    if (rows.length === 0) return <PastTheEnd onLast={() => toPage(pages(data.total, view.size))} />;
    return (
      <>
        {data.searchedTo !== null && <Searched searchedTo={data.searchedTo} onSearch={searchOn} />}
        <Table
        rows={rows}
        offset={(data.page - 1) * data.size}
        total={data.total}
        exact={data.exact}
        zone={view.zone}
        active={active}
        nonce={nonce}
        onActive={setActive}
        open={view.entry}
        href={(id) => writeView({ ...view, entry: id })}
        onOpen={open}
        stale={waiting}
        readTo={newest && feed ? newest.asOf : null}
        onTop={flow.setTop}
        onPoint={flow.point}
        />
      </>
    );
  }

  return (
    <div className="page-log">
      <h1 className="unseen">The log</h1>
      <div className="above-log" inert={covered}>
        {!forbidden && (
          <FilterBar
            filter={view.filter}
            zone={view.zone}
            mayListUsers={rights.data?.users?.allowed ?? false}
            onFilter={toFilter}
          />
        )}
        {gone && (
          <Gone
            {...gone}
            readAt={(gone === link ? link.heardAt : data?.readAt) ?? 0}
            zone={view.zone}
            onRetry={() => (gone === link ? feed?.retry() : void askAgain(listing))}
          />
        )}
        {feed && !gone && <Ended link={link} username={username} onRetry={() => feed.retry()} onNewest={toNewest} />}
        {shown && (
          <Toolbar
            listing={data}
            zone={view.zone}
            waiting={waiting}
            slow={slow}
            newest={view.asOf === null}
            live={said(view, live, flow)}
            onPage={toPage}
            onSize={toSize}
            onNewest={toNewest}
            onZone={(zone) => go({ zone }, 'replace')}
            picture={view.picture}
            onPicture={(picture) => go({ picture }, 'replace')}
            onGoTo={() => setOver('goto')}
            onTakeAway={() => setOver('takeaway')}
            onHelp={() => setOver('help')}
          >
            <LiveSwitch live={view.live} whyNot={whyNot(view)} paused={flow.paused} coming={coming} onLive={toLive} onPause={flow.setPaused} />
          </Toolbar>
        )}
        {shown && view.picture && (
          <Picture
            view={view}
            asOf={counted}
            onRecount={feed && counted !== data.asOf ? () => setRecounts((count) => count + 1) : null}
            onRange={(since, until) => toFilter({ ...view.filter, since: [since], until: [until] })}
            onPick={(key, value) => toFilter(withValues(view.filter, key, fields[key].many ? [...new Set([...(view.filter[key] ?? []), value])] : [value]))}
          />
        )}
      </div>
        <div className={view.entry === null ? 'body-log' : 'body-log with-drawer'}>
          <div className="shown-log" inert={covered}>
            {feed && <Waiting waiting={arrivals.waitingCount} onShow={toNewest} />}
            {content()}
          </div>
          {view.entry !== null && (
            <Drawer
              id={view.entry}
              zone={view.zone}
              href={(key, value) => writeView({ ...view, ...allOf(key, value) })}
              onFollow={(key, value) => {
                setRefresh((count) => count + 1);
                go(allOf(key, value));
              }}
              onUnauthenticated={expire}
              onClose={close}
            />
          )}
        </div>
      {over === 'help' && <Help onClose={() => setOver(null)} />}
      {over === 'goto' && data && <GoTo zone={view.zone} onEntry={async (id) => jump(await placeOfEntry(view.filter, data, id))} onMoment={async (at) => jump(await placeOfMoment(view.filter, data, at))} onClose={() => setOver(null)} />}
      {over === 'takeaway' && data && (
        <TakeAway
          view={view}
          asOf={data.asOf}
          total={data.total}
          mayExport={rights.data?.export?.allowed ?? false}
          onUnauthenticated={expire}
          onClose={() => setOver(null)}
        />
      )}
    </div>
  );
}

/** A value that stays as it is while it is held and the key is the same. */
function useHeld<Value>(value: Value, held: boolean, key: string): Value {
  const kept = useRef({ value, key });
  if (!held || kept.current.key !== key) kept.current = { value, key };
  return kept.current.value;
}
