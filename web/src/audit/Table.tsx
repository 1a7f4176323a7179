import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, type MouseEvent } from 'react';
import { later } from './arrivals.ts';
import type { Row } from './documents.ts';
import { number } from './format.ts';
import { duration, exact, toSecond, zoneName, type Zone } from './time.ts';
import { useMedia } from './useMedia.ts';

interface Props {
  rows: readonly Row[];
  /** How many rows come before and in all: told to those who cannot see the scroll bar. */
  offset: number;
  total: number;
  /** Whether there are no more than total. */
  exact: boolean;
  zone: Zone;
  /** The row that the keyboard is at; -1 for none. Each change of nonce moves the focus there. */
  active: number;
  nonce: number;
  onActive: (index: number) => void;
  /** The entry in the drawer. */
  open: string | null;
  href: (id: string) => string;
  onOpen: (id: string) => void;
  /** The rows are still those of another page. */
  stale: boolean;
  /** The newest entry that the page was read with; later ones came since. Null if none did. */
  readTo: string | null;
  /** Told whether the first row is in sight. */
  onTop: (top: boolean) => void;
  /** The pointer moves over the rows. */
  onPoint: () => void;
}

/** The id of the element that the rows scroll in. */
export const entries = 'entries';

/** Entries as a table, of which only the rows in sight are there. Each row has one link, which opens it. */
export function Table({ rows, offset, total, exact, zone, active, nonce, onActive, open, href, onOpen, stale, readTo, onTop, onPoint }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const wanted = useRef(false);
  const narrow = useMedia('(max-width: 640px)');
  const [rowHeight, headHeight] = narrow ? [62, 0] : [30, 32];

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    getItemKey: (index) => rows[index]!.id,
    overscan: 12,
    scrollMargin: headHeight,
    scrollPaddingStart: headHeight + rowHeight,
    scrollPaddingEnd: rowHeight,
    useFlushSync: false,
  });
  useEffect(() => virtual.measure(), [virtual, rowHeight]);

  // Another page is read from its top.
  const first = rows[0]?.id;
  useEffect(() => {
    if (active <= 0) scroller.current?.scrollTo({ top: 0 });
  }, [first]);

  useEffect(() => () => onTop(true), [onTop]);

  useEffect(() => {
    if (nonce === 0 || active < 0) return;
    wanted.current = true;
    virtual.scrollToIndex(active);
  }, [nonce]);

  // The row may not be there before it has been scrolled to.
  useEffect(() => {
    if (!wanted.current) return;
    const link = scroller.current?.querySelector<HTMLElement>(`tr[data-index="${active}"] a`);
    if (!link) return;
    wanted.current = false;
    link.focus({ preventScroll: true });
  });

  const items = virtual.getVirtualItems();
  const before = (items[0]?.start ?? headHeight) - headHeight;
  const after = virtual.getTotalSize() - ((items.at(-1)?.end ?? headHeight) - headHeight);

  return (
    <div
      id={entries}
      className="scroller"
      ref={scroller}
      tabIndex={0}
      role="region"
      aria-label="Entries"
      onScroll={({ currentTarget }) => onTop(currentTarget.scrollTop < rowHeight / 2)}
      onPointerMove={onPoint}
    >
      <table className="log" role="table" aria-rowcount={exact ? total + 1 : -1} aria-busy={stale}>
        <thead role="rowgroup">
          <tr role="row" aria-rowindex={1}>
            <th role="columnheader" scope="col" className="at">
              Time <span className="zone">({zoneName(zone)})</span>
            </th>
            <th role="columnheader" scope="col" className="user">User</th>
            <th role="columnheader" scope="col" className="action">Action</th>
            <th role="columnheader" scope="col" className="resource">Resource</th>
            <th role="columnheader" scope="col" className="decision">Decision</th>
            <th role="columnheader" scope="col" className="code">Code</th>
            <th role="columnheader" scope="col" className="duration">Duration</th>
            <th role="columnheader" scope="col" className="job">Job</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          <Space height={before} />
          {items.map(({ index, key }) => (
            <Line
              key={key}
              row={rows[index]!}
              index={index}
              position={offset + index + 2}
              zone={zone}
              tabbable={index === Math.max(0, active)}
              current={index === active}
              open={rows[index]!.id === open}
              fresh={readTo !== null && later(rows[index]!.id, readTo) && isFresh(rows[index]!)}
              href={href(rows[index]!.id)}
              onOpen={() => {
                onActive(index);
                onOpen(rows[index]!.id);
              }}
              onFocus={() => index !== active && onActive(index)}
            />
          ))}
          <Space height={after} />
        </tbody>
      </table>
    </div>
  );
}

const seen = new WeakMap<Row, number>();

/** Whether a row has been drawn for less than some seconds: its mark fades once, however often it is scrolled to. */
function isFresh(row: Row): boolean {
  const now = Date.now();
  const first = seen.get(row) ?? now;
  seen.set(row, first);
  return now - first < 2500;
}

/** Stands for the rows out of sight. */
function Space({ height }: { height: number }) {
  return height > 0 ? <tr aria-hidden="true" className="space" style={{ height }} /> : null;
}

interface LineProps {
  row: Row;
  index: number;
  position: number;
  zone: Zone;
  tabbable: boolean;
  current: boolean;
  open: boolean;
  /** It came while the page is live. */
  fresh: boolean;
  href: string;
  onOpen: () => void;
  onFocus: () => void;
}

function Line({ row, index, position, zone, tabbable, current, open, fresh, href, onOpen, onFocus }: LineProps) {
  const denied = row.decision === 'DENY';
  const failed = row.resultCode >= 400;
  function click(event: MouseEvent) {
    // A new tab or window is the browser's, and selected text is the reader's.
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    if (getSelection()?.type === 'Range') return;
    event.preventDefault();
    onOpen();
  }
  const classes = ['line', denied && 'denied', !denied && failed && 'failed', current && 'current', open && 'open', fresh && 'fresh'];
  return (
    <tr
      role="row"
      data-index={index}
      aria-rowindex={position}
      className={classes.filter(Boolean).join(' ')}
      onClick={click}
    >
      <td role="cell" className="at">
        <a href={href} tabIndex={tabbable ? 0 : -1} onFocus={onFocus} {...(open && { 'aria-current': true })}>
          <time dateTime={row.at} title={`${exact(row.at, zone)}\n${exact(row.at, zone === 'utc' ? 'local' : 'utc')}`}>
            {toSecond(row.at, zone)}
          </time>
          <span className="unseen">, entry {number(Number(row.id))}</span>
        </a>
      </td>
      <td role="cell" className="user">
        <User row={row} />
      </td>
      <td role="cell" className="action" title={row.action}>{row.action}</td>
      <td role="cell" className="resource" title={row.resource}>{row.resource}</td>
      <td role="cell" className="decision">
        <Decision decision={row.decision} />
      </td>
      <td role="cell" className="code">
        <span className={failed ? 'bad' : undefined}>{row.resultCode}</span>
      </td>
      <td role="cell" className="duration">{duration(row.durationMs)}</td>
      <td role="cell" className="job">{row.saltJid ?? ''}</td>
    </tr>
  );
}

/** The decision as a mark and a word, so that it needs no colour. */
export function Decision({ decision }: { decision: Row['decision'] }) {
  return decision === 'DENY' ? (
    <span className="verdict deny">
      <span aria-hidden="true">✕</span> denied
    </span>
  ) : (
    <span className="verdict allow">
      <span aria-hidden="true">✓</span> allowed
    </span>
  );
}

/** Who asked: the name at the time, else the id; nobody without a session. */
export function User({ row }: { row: Pick<Row, 'userId' | 'username'> }) {
  if (row.username !== null) return <span title={row.username}>{row.username}</span>;
  if (row.userId !== null) return <span title={row.userId}>{row.userId.slice(0, 8)}…</span>;
  return <span className="nobody">nobody</span>;
}
