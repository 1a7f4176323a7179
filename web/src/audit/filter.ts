import type { FilterInput } from './documents.ts';
import { exact, toMoment, type Zone } from './time.ts';

/** What can be filtered by. */
export type Key = 'user' | 'action' | 'decision' | 'since' | 'until' | 'text' | 'resource' | 'job' | 'request' | 'code' | 'slow';

/** Which entries are shown: what is given of each key, combined with AND; the values of one key with OR. */
export type Filter = { readonly [K in Key]?: readonly string[] };

type Values = readonly [string, ...string[]];

interface Field {
  label: string;
  /** Whether several values may be given. */
  many?: boolean;
  /** The value as it is kept, or null if it is none. */
  read: (value: string) => string | null;
  /** What a value has to be, for somebody who gave another. */
  rule: string;
  /** What the schema is told. */
  input: (values: Values) => FilterInput;
  /** What the REST routes are told. Absent: they know no such thing. */
  query?: (values: Values) => [name: string, value: string][] | null;
}

const uuid = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/;

/** Stands for entries without a user. */
export const nobody = 'nobody';

/** Whether a text is a user's id. */
export const isUUID = (text: string) => uuid.test(text.toLowerCase());

/** Reads a text of so many characters. */
const ofLength = (least: number, most: number) => (value: string) => {
  const text = value.trim();
  const { length } = [...text];
  return length >= least && length <= most ? text : null;
};

const word = { read: ofLength(1, 255), rule: '1 to 255 characters' };

/** The lowest and the highest of a code, or of a range of codes. */
function codes(value: string): { min: number; max: number } | null {
  const [, first, last] = /^([1-5]\d\d)(?: ?[-–] ?([1-5]\d\d))?$/.exec(value.trim().replace(/^([1-5])xx$/i, '$100-$199')) ?? [];
  if (first === undefined) return null;
  const [min, max] = [Number(first), Number(last ?? first)];
  return min <= max ? { min, max } : null;
}

/**
 * All there is to a key but its control on the page. A key that the schema learns is added here, and its control in
 * FilterBar; the address, the chips and the export follow.
 */
export const fields: { readonly [K in Key]: Field } = {
  user: {
    label: 'User',
    many: true,
    read: (value) => (value === nobody ? nobody : isUUID(value) ? value.toLowerCase() : null),
    rule: 'a name or an id',
    input: (ids) => (ids.length === 1 && ids[0] !== nobody ? { userId: ids[0] } : { userIdIn: ids.map((id) => (id === nobody ? null : id)) }),
    query: (ids) => (ids.length === 1 && ids[0] !== nobody ? [['user_id', ids[0]]] : null),
  },
  action: {
    label: 'Action',
    many: true,
    read: word.read,
    rule: word.rule,
    input: (actions) => (actions.length === 1 ? { action: actions[0] } : { actionIn: [...actions] }),
    query: (actions) => (actions.length === 1 ? [['action', actions[0]]] : null),
  },
  decision: {
    label: 'Decision',
    read: (value) => (value === 'allow' || value === 'deny' ? value : null),
    rule: 'allow or deny',
    input: ([decision]) => ({ decision: decision === 'deny' ? 'DENY' : 'ALLOW' }),
    query: ([decision]) => [['decision', decision]],
  },
  since: {
    label: 'From',
    read: toMoment,
    rule: 'a moment',
    input: ([since]) => ({ since }),
    query: ([since]) => [['since', since]],
  },
  until: {
    label: 'Before',
    read: toMoment,
    rule: 'a moment',
    input: ([until]) => ({ until }),
    query: ([until]) => [['until', until]],
  },
  text: {
    label: 'Text',
    read: ofLength(3, 200),
    rule: '3 to 200 characters',
    input: ([text]) => ({ text }),
  },
  resource: { label: 'Resource', ...word, input: ([resource]) => ({ resource }) },
  job: { label: 'Job', ...word, input: ([saltJid]) => ({ saltJid }) },
  request: { label: 'Request', ...word, input: ([requestId]) => ({ requestId }) },
  code: {
    label: 'Code',
    read: (value) => {
      const range = codes(value);
      return range && (range.min === range.max ? `${range.min}` : `${range.min}-${range.max}`);
    },
    rule: 'a code such as 404, or a range such as 400-599',
    input: ([value]) => {
      const range = codes(value);
      return range ? { resultCodeMin: range.min, resultCodeMax: range.max } : {};
    },
  },
  slow: {
    label: 'At least',
    read: (value) => /^\s*0*(\d{1,9})\s*(?:ms)?\s*$/.exec(value)?.[1] ?? null,
    rule: 'milliseconds',
    input: ([ms]) => ({ durationMsMin: Number(ms) }),
  },
};

export const keys = Object.keys(fields) as Key[];

/** The values of a key; never an empty list. */
function given(filter: Filter, key: Key): Values | null {
  const values = filter[key];
  return values && values.length > 0 ? (values as Values) : null;
}

/** What is given of a filter, key by key. */
const parts = (filter: Filter) =>
  keys.flatMap((key) => {
    const values = given(filter, key);
    return values ? [{ field: fields[key], values }] : [];
  });

/** The filter as the schema takes it. */
export function toInput(filter: Filter): FilterInput {
  return Object.assign({}, ...parts(filter).map(({ field, values }) => field.input(values))) as FilterInput;
}

/** The filter as parameters of the REST routes; null if they cannot tell it. */
export function toQuery(filter: Filter): URLSearchParams | null {
  const pairs = parts(filter).map(({ field, values }) => field.query?.(values) ?? null);
  return pairs.includes(null) ? null : new URLSearchParams(pairs.flatMap((pair) => pair ?? []));
}

/** The filter that parameters of the page's URL hold. What is not valid is left out. */
export function readFilter(params: URLSearchParams): Filter {
  const filter: { [K in Key]?: string[] } = {};
  for (const key of keys) {
    const values = params.getAll(key).map(fields[key].read).filter((value) => value !== null);
    const kept = fields[key].many ? [...new Set(values)].slice(0, most) : values.slice(0, 1);
    if (kept.length > 0) filter[key] = kept;
  }
  return filter;
}

/** Writes the filter into parameters of the page's URL. */
export function writeFilter(filter: Filter, params: URLSearchParams): void {
  for (const key of keys) for (const value of filter[key] ?? []) params.append(key, value);
}

/** As many values as the schema takes of one key. */
export const most = 100;

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
    if (key === 'slow') return `${value} ms`;
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
