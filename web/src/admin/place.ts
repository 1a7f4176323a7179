/** The parts of the administration, in the order of their links. */
export const parts = ['users', 'roles', 'settings', 'run', 'keys'] as const;

export type Part = (typeof parts)[number];

/** What is shown: all that the address holds. */
export interface Place {
  /** Null: whichever the reader may see. */
  part: Part | null;
  /** The one user, role or job that is shown. */
  one: string | null;
  /** Which page of a list, from 1. */
  page: number;
  /** Whether the open intents are shown at once. */
  intents: boolean;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const jid = /^[0-9]{20}$/;

/** Reads an address. What it does not know in it is left out. */
export function readPlace(pathname: string, search: string): Place {
  const name = pathname.replace(/^\/admin\/?/, '');
  const part = parts.find((known) => known === name) ?? null;
  const query = new URLSearchParams(search);
  const named = query.get(part === 'run' ? 'job' : 'id') ?? '';
  const page = Number(query.get('page') ?? 1);
  return {
    part,
    one: (part === 'run' ? jid : uuid).test(named) ? named : null,
    page: Number.isSafeInteger(page) && page > 0 && page < 1e7 ? page : 1,
    intents: part === 'run' && query.has('intents'),
  };
}

/** The address of a place. */
export function writePlace({ part, one, page, intents }: Partial<Place>): string {
  const query = new URLSearchParams();
  if (one) query.set(part === 'run' ? 'job' : 'id', one);
  if (page && page > 1) query.set('page', String(page));
  if (intents) query.set('intents', 'open');
  const text = query.toString();
  return `/admin${part ? `/${part}` : ''}${text && `?${text}`}`;
}
