import { useEffect, useId, useState, type ReactNode } from 'react';
import { number, range } from './format.ts';
import type { Listing } from './queries.ts';
import { clock, type Zone } from './time.ts';
import { pages, sizes } from './view.ts';

interface Props {
  listing: Listing;
  zone: Zone;
  /** What is being fetched, if it is not shown yet. */
  waiting: boolean;
  /** It takes long. */
  slow: boolean;
  /** Whether the newest entries are shown, as of when they were read. */
  newest: boolean;
  /** What is said of them instead while the page is live; null while it is not. */
  live: string | null;
  /** The switch. */
  children: ReactNode;
  onPage: (page: number) => void;
  onSize: (size: number) => void;
  onNewest: () => void;
  onZone: (zone: Zone) => void;
  picture: boolean;
  onPicture: (picture: boolean) => void;
  onGoTo: () => void;
  onTakeAway: () => void;
  onHelp: () => void;
}

/** Which entries are shown, of how many, and the ways to others. */
export function Toolbar(props: Props) {
  const { listing, zone, waiting, slow, newest, live, children, onPage, onSize, onNewest, onZone, picture, onPicture, onGoTo, onTakeAway, onHelp } = props;
  const { page, size, rows, total, exact, readAt } = listing;
  const last = pages(total, size);
  const upTo = newest || listing.asOf === null ? '' : `up to entry ${number(Number(listing.asOf))}`;
  const [unfolded, setUnfolded] = useState(false);
  const more = useId();
  return (
    <div className="toolbar">
      {/* Whoever listens is not told each new total. */}
      <p className="count" {...(live === null && { role: 'status' })}>
        <b>{range(page, size, rows.length, total, exact)}</b>
        <span className="asof" title={`Read at ${clock(readAt, zone)}`}>
          {waiting ? (slow ? 'The server takes its time. Still reading…' : 'Reading…') : [upTo, live ?? (upTo ? '' : `read at ${clock(readAt, zone)}`)].filter(Boolean).join(', ')}
        </span>
      </p>
      <button type="button" onClick={onNewest} title="The newest entries (r)">
        <span aria-hidden="true">↻</span> Newest
      </button>
      {children}
      <button type="button" aria-pressed={picture} onClick={() => onPicture(!picture)} title="Counts over time, by user, action and resource (v)">
        Picture
      </button>
      <nav className="pager" aria-label="Pages of the log">
        <Turn end to={1} from={page} last={last} name="First page" onPage={onPage}>«</Turn>
        <Turn to={page - 1} from={page} last={last} name="Previous page" onPage={onPage}>‹</Turn>
        <PageField page={page} last={last} onPage={onPage} />
        <Turn to={page + 1} from={page} last={last} name="Next page" onPage={onPage}>›</Turn>
        <Turn end to={last} from={page} last={last} name="Last page" onPage={onPage}>»</Turn>
      </nav>
      <button type="button" className="fold" aria-expanded={unfolded} aria-controls={more} onClick={() => setUnfolded(!unfolded)}>
        More
      </button>
      <div id={more} className={unfolded ? 'more unfolded' : 'more'}>
        <button type="button" onClick={onGoTo}>Go to…</button>
        <label className="inline">
          <span className="unseen">Entries on a page</span>
          <select value={size} onChange={(event) => onSize(Number(event.currentTarget.value))}>
            {sizes.map((choice) => (
              <option key={choice} value={choice}>
                {choice} rows
              </option>
            ))}
          </select>
        </label>
        <button type="button" aria-pressed={zone === 'utc'} onClick={() => onZone(zone === 'utc' ? 'local' : 'utc')}>
          UTC
        </button>
        <span className="gap" />
        <button type="button" onClick={onTakeAway}>Export, copy…</button>
        <button type="button" onClick={onHelp} aria-label="Help" title="Help (?)">?</button>
      </div>
    </div>
  );
}

interface TurnProps {
  /** Left out where there is little room. */
  end?: boolean;
  to: number;
  from: number;
  last: number;
  name: string;
  onPage: (page: number) => void;
  children: ReactNode;
}

function Turn({ end, to, from, last, name, onPage, children }: TurnProps) {
  const idle = to < 1 || to > last || to === from;
  // It keeps the focus when there is no further page.
  return (
    <button type="button" className={end ? 'turn-end' : undefined} aria-label={name} title={name} aria-disabled={idle} onClick={() => !idle && onPage(to)}>
      {children}
    </button>
  );
}

function PageField({ page, last, onPage }: { page: number; last: number; onPage: (page: number) => void }) {
  const id = useId();
  const [text, setText] = useState(String(page));
  useEffect(() => setText(String(page)), [page]);

  function commit() {
    const wanted = Number(text.replaceAll(/[,\s]/g, ''));
    if (Number.isInteger(wanted) && wanted !== page && wanted > 0) onPage(Math.min(wanted, last));
    else setText(String(page));
  }

  return (
    <span className="page">
      <label htmlFor={id}>Page</label>
      <input
        id={id}
        inputMode="numeric"
        style={{ width: `${Math.max(3, text.length) + 1.5}ch` }}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit();
          if (event.key === 'Escape') setText(String(page));
        }}
      />
      of {number(last)}
    </span>
  );
}
