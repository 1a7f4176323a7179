import type { FilterInput } from './documents.ts';
import { exact, toMoment, type Zone } from './time.ts';

/** What can be filtered by. */
export type Key = 'user' | 'action' | 'decision' | 'since' | 'until';

/** Which entries are shown: what is given of each key, combined with AND; the values of one key with OR. */
export type Filter = { readonly [K in Key]?: readonly string[] };

interface Field {
  label: string;
  /** Whether several values may be given. */
  many: boolean;
  /** The value as it is kept, or null if it is none. */
  read: (value: string) => string | null;
  /** What the schema is told. */
  input: (values: readonly [string, ...string[]]) => FilterInput;
  /** What the REST contract is told. */
  query: (values: readonly [string, ...string[]]) => [name: string, value: string][];
}

const uuid = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/;

/** Whether a text is a user's id. */
export const isUUID = (text: string) => uuid.test(text.toLowerCase());

const word = (value: string) => value.trim() || null;

/**
 * All there is to a key but its control on the page. A key that the schema learns is added here, and its control in
 * FilterBar; the URL, the chips and the export follow.
 */
export const fields: { readonly [K in Key]: Field } = {
  user: {
    label: 'User',
    many: false,
    read: (value) => (isUUID(value) ? value.toLowerCase() : null),
    input: ([userId]) => ({ userId }),
    query: ([id]) => [['user_id', id]],
  },
  action: {
    label: 'Action',
    many: false,
    read: word,
    input: ([action]) => ({ action }),
    query: ([action]) => [['action', action]],
  },
  decision: {
    label: 'Decision',
    many: false,
    read: (value) => (value === 'allow' || value === 'deny' ? value : null),
    input: ([decision]) => ({ decision: decision === 'deny' ? 'DENY' : 'ALLOW' }),
    query: ([decision]) => [['decision', decision]],
  },
  since: {
    label: 'From',
    many: false,
    read: toMoment,
    input: ([since]) => ({ since }),
    query: ([since]) => [['since', since]],
  },
  until: {
    label: 'Before',
    many: false,
    read: toMoment,
    input: ([until]) => ({ until }),
    query: ([until]) => [['until', until]],
  },
};

export const keys = Object.keys(fields) as Key[];

/** The values of a key; never an empty list. */
function given(filter: Filter, key: Key): readonly [string, ...string[]] | null {
  const values = filter[key];
  return values && values.length > 0 ? (values as readonly [string, ...string[]]) : null;
}

/** The filter as the schema takes it. */
export function toInput(filter: Filter): FilterInput {
  return Object.assign({}, ...keys.map((key) => { const v = given(filter, key); return v && fields[key].input(v); })) as FilterInput;
}

/** The filter as parameters of the REST routes. */
export function toQuery(filter: Filter): URLSearchParams {
  return new URLSearchParams(keys.flatMap((key) => { const v = given(filter, key); return v ? fields[key].query(v) : []; }));
}

/** The filter that parameters of the page's URL hold. What is not valid is left out. */
export function readFilter(params: URLSearchParams): Filter {
  const filter: { [K in Key]?: string[] } = {};
  for (const key of keys) {
    const values = params.getAll(key).map(fields[key].read).filter((value) => value !== null);
    const kept = fields[key].many ? [...new Set(values)] : values.slice(0, 1);
    if (kept.length > 0) filter[key] = kept;
  }
  return filter;
}

/** Writes the filter into parameters of the page's URL. */
export function writeFilter(filter: Filter, params: URLSearchParams): void {
  for (const key of keys) for (const value of filter[key] ?? []) params.append(key, value);
}

/** The filter with other values of a key; with none, without it. */
export function withValues(filter: Filter, key: Key, values: readonly string[]): Filter {
  const { [key]: _, ...rest } = filter;
  return values.length > 0 ? { ...rest, [key]: values } : rest;
}

/** One value of the filter, as it is shown with a button that takes it away. */
export interface Chip {
  key: Key;
  value: string;
  label: string;
  text: string;
}

/** The chips of a filter. A user is shown by name where it is known. */
export function chips(filter: Filter, zone: Zone, names: ReadonlyMap<string, string>): Chip[] {
  const text = (key: Key, value: string) => {
    if (key === 'user') return names.get(value) ?? value;
    if (key === 'decision') return value === 'deny' ? 'denied' : 'allowed';
    if (key === 'since' || key === 'until') return exact(value, zone).replace(/\.000000(?= )/, '');
    return value;
  };
  return keys.flatMap((key) =>
    (filter[key] ?? []).map((value) => ({ key, value, label: fields[key].label, text: text(key, value) })),
  );
}

/** Whether the filter selects everything. */
export const isEmpty = (filter: Filter) => keys.every((key) => given(filter, key) === null);
