import type { Entry } from './documents.ts';

const whole = new Intl.NumberFormat('en-US');

/** A number with its thousands apart. */
export const number = (value: number) => whole.format(value);

/** A number and what it counts. */
export const count = (value: number, one: string, many: string) => `${number(value)} ${value === 1 ? one : many}`;

/** A size as it is read. */
export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length, Math.floor(Math.log10(size) / 3));
  return `${(size / 1000 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** Which entries a page shows: 1 to 50 of 10,481,203. */
export function range(page: number, size: number, shown: number, total: number, exact: boolean): string {
  if (shown === 0) return `none of ${number(total)}`;
  const first = (page - 1) * size + 1;
  return `${number(first)} to ${number(first + shown - 1)} of ${exact ? '' : 'at least '}${number(total)}`;
}

const outcomes: Record<number, string> = {
  200: 'done',
  201: 'made',
  202: 'sent, to be answered later',
  204: 'done',
  401: 'nobody was signed in',
  403: 'not permitted',
  404: 'there was no such thing',
  409: 'it clashed with what was there',
  422: 'an argument broke a rule',
  429: 'too many requests',
  499: 'the caller went away',
  500: 'a fault of the server',
  502: 'Salt refused or failed',
  503: 'Salt or the database could not be reached',
  504: 'the outcome could not be learnt in time',
};

/** What a result code stands for, or nothing. */
export const outcome = (code: number) => outcomes[code] ?? '';

/** The reason of a decision as a sentence, without its full stop. */
export function sentence({ decision, reason }: Pick<Entry, 'decision' | 'reason'>): string {
  const why = reason || 'no reason was recorded';
  const text = /^(allowed|denied)\b/.test(why) ? why : `${decision === 'DENY' ? 'denied' : 'allowed'}: ${why}`;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
