import { readFilter, writeFilter, type Filter } from './filter.ts';
import type { Zone } from './time.ts';

/** What the page shows. All of it is in the URL. */
export interface View {
  filter: Filter;
  /** From 1. */
  page: number;
  /** Entries on a page. */
  size: number;
  /** The newest entry that is looked at: what comes later does not move the pages. Null: whatever is the newest now. */
  asOf: string | null;
  /** Whether what is written comes in. */
  live: boolean;
  zone: Zone;
  /** Whether the entries are drawn, too. */
  picture: boolean;
  /** The entry in the drawer. */
  entry: string | null;
}

/** How many entries a page may have. The schema allows 500 at most. */
export const sizes = [50, 100, 200, 500] as const;

const id = /^[1-9]\d{0,18}$/;

/** Whether a text is the id of an entry. */
export const isId = (text: string) => id.test(text);

/** The view of the page's path and parameters. What is not valid is left out. */
export function readView(path: string, search: string): View {
  const params = new URLSearchParams(search);
  const size = Number(params.get('size'));
  const asOf = params.get('asOf') ?? '';
  const entry = /^\/audit\/(.*)$/.exec(path)?.[1] ?? '';
  return {
    filter: readFilter(params),
    page: /^[1-9]\d{0,9}$/.test(params.get('page') ?? '') ? Number(params.get('page')) : 1,
    size: sizes.find((allowed) => allowed === size) ?? sizes[0],
    asOf: isId(asOf) ? asOf : null,
    live: params.get('live') === '1',
    zone: params.get('tz') === 'utc' ? 'utc' : 'local',
    picture: params.get('picture') === '1',
    entry: isId(entry) ? entry : null,
  };
}

/** The path and parameters of a view. The view of a fresh page has no parameters. */
export function writeView(view: View): string {
  const params = new URLSearchParams();
  writeFilter(view.filter, params);
  if (view.page > 1) params.set('page', String(view.page));
  if (view.size !== sizes[0]) params.set('size', String(view.size));
  if (view.asOf !== null) params.set('asOf', view.asOf);
  if (view.live) params.set('live', '1');
  if (view.zone === 'utc') params.set('tz', 'utc');
  if (view.picture) params.set('picture', '1');
  // Moments are easier to read in the address bar with their colons.
  const search = params.toString().replaceAll('%3A', ':');
  return `/audit${view.entry === null ? '' : `/${view.entry}`}${search && `?${search}`}`;
}

/** The permanent link of an entry. */
export const entryPath = (entry: string) => `/audit/${entry}`;

/** How many pages a total takes; at least one. */
export const pages = (total: number, size: number) => Math.max(1, Math.ceil(total / size));
