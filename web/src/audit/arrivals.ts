import type { Row } from './documents.ts';
import type { Listing } from './queries.ts';

/** As many rows are kept of what came: the largest page. What came is counted all the same. */
export const most = 500;

/** What came since a page was read. Rows are newest first; the oldest of each list are let go beyond `most`. */
export interface Arrivals {
  /** Rows that are on the page, and how many came on it. */
  readonly shown: readonly Row[];
  readonly shownCount: number;
  /** Rows that wait to be shown, all of them newer, and how many there are. */
  readonly waiting: readonly Row[];
  readonly waitingCount: number;
}

export const none: Arrivals = { shown: [], shownCount: 0, waiting: [], waitingCount: 0 };

/** Adds rows, which come oldest first, to those that wait. */
export function arrive(before: Arrivals, rows: readonly Row[]): Arrivals {
  return {
    ...before,
    waiting: [...rows.toReversed(), ...before.waiting].slice(0, most),
    waitingCount: before.waitingCount + rows.length,
  };
}

/** Shows what waits. */
export function show({ shown, shownCount, waiting, waitingCount }: Arrivals): Arrivals {
  return { shown: [...waiting, ...shown].slice(0, most), shownCount: shownCount + waitingCount, waiting: [], waitingCount: 0 };
}

/** What came behind an entry, all of it shown; null if that cannot be counted any more. */
export function behind(arrivals: Arrivals, asOf: string): Arrivals | null {
  const { shown, shownCount } = show(arrivals);
  const kept = shown.filter(({ id }) => later(id, asOf));
  if (kept.length === shown.length && shownCount > shown.length) return null;
  return { ...none, shown: kept, shownCount: kept.length };
}

/** The newest page with what came on it: the page as it would be read now, if nothing waits. */
export function onto(listing: Listing, { shown, shownCount }: Arrivals): Listing {
  const newest = shown[0];
  if (!newest) return listing;
  return {
    ...listing,
    rows: [...shown, ...listing.rows].slice(0, listing.size),
    total: listing.total + shownCount,
    asOf: newest.id,
  };
}

/** Whether an entry is later than another. */
export const later = (id: string, than: string) => BigInt(id) > BigInt(than);
