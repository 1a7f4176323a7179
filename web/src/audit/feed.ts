import { arrive, behind, later, none, show, type Arrivals } from './arrivals.ts';
import { Failure } from './client.ts';
import { liveDocument, type FilterInput, type Row } from './documents.ts';
import { follow } from './follow.ts';
import { toMoment } from './time.ts';

/** How it stands with the server. */
export type Link =
  | { readonly is: 'opening' | 'open' }
  /** It does not answer; it is tried again. */
  | { readonly is: 'gone'; readonly since: number; readonly heardAt: number; readonly message: string }
  /** It said that this is the end, or there was no use in going on. It is not tried again by itself. */
  | { readonly is: 'ended'; readonly failure: Failure };

/** What came, and whether more is coming. */
export interface Live {
  readonly link: Link;
  readonly arrivals: Arrivals;
  /** The entry behind which they came. */
  readonly base: string;
}

/** A connection that held for so long was none that breaks at once. */
const steady = 60_000;

/** Each connection leaves two rows in the log: so many that break in a row are enough. */
export const attempts = 6;

/**
 * Follows the log behind an entry: rows come in order, each once and none left out, whatever becomes of the connection. One that
 * broke is made anew where it was; while the server is gone, which leaves no rows, for as long as it takes.
 */
export class Feed {
  readonly #filter: FilterInput;
  readonly #since: string | undefined;
  readonly #listeners = new Set<() => void>();
  #live: Live;
  #following = false;
  /** The last that came. */
  #last: string;
  #heardAt = Date.now();
  #run = new AbortController();
  #wake = () => {};

  /** Begins. A stream has no times: `since` is looked at here, against the times of rows. */
  constructor({ since, ...filter }: FilterInput, base: string) {
    this.#filter = filter;
    this.#since = since ?? undefined;
    this.#live = { link: { is: 'opening' }, arrivals: none, base };
    this.#last = base;
    void this.#follow(this.#run.signal);
  }

  readonly subscribe = (notify: () => void): (() => void) => {
    this.#listeners.add(notify);
    return () => this.#listeners.delete(notify);
  };

  readonly now = (): Live => this.#live;

  /** Whether rows are shown as they come, or wait. */
  set following(following: boolean) {
    this.#following = following;
    if (following) this.show();
  }

  /** Shows what waits. */
  show(): void {
    if (this.#live.arrivals.waitingCount > 0) this.#set({ arrivals: show(this.#live.arrivals) });
  }

  /** The page was read anew, up to another entry: arrivals go onto that one. */
  rebase(base: string): void {
    if (base === this.#live.base) return;
    const arrivals = later(base, this.#live.base) ? behind(this.#live.arrivals, base) : null;
    if (arrivals) {
      if (later(base, this.#last)) this.#last = base;
      this.#set({ arrivals, base });
      if (this.#live.link.is !== 'ended') return;
    } else {
      this.#last = base;
      this.#set({ arrivals: none, base });
    }
    this.#restart();
  }

  /** Tries at once what is being waited for, or was given up. */
  retry(): void {
    if (this.#live.link.is === 'ended') this.#restart();
    else this.#wake();
  }

  /** Ends it. */
  close(): void {
    this.#run.abort();
  }

  #restart(): void {
    this.#run.abort();
    this.#run = new AbortController();
    this.#set({ link: { is: 'opening' } });
    void this.#follow(this.#run.signal);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let opened = false;
    let broken = 0; // connections in a row that were made and did not hold
    let failed = 0; // attempts in a row
    let since = 0;
    for (;;) {
      const begin = Date.now();
      let held = false;
      let failure = new Failure('UNREACHABLE', 'The connection to the server broke.');
      try {
        const listener = {
          onSign: () => {
            held = true;
            this.#heardAt = Date.now();
            if (this.#live.link.is !== 'open') this.#set({ link: { is: 'open' } });
          },
          onData: (data: { auditEntryAdded: Row | null }[]) => this.#take(data.flatMap(({ auditEntryAdded }) => auditEntryAdded ?? [])),
        };
        await follow(liveDocument, { filter: this.#filter, after: this.#last }, listener, signal);
      } catch (error) {
        if (signal.aborted) return;
        failure = error instanceof Failure ? error : new Failure('INTERNAL_SERVER_ERROR', (error as Error).message);
      }
      if (signal.aborted) return;
      opened ||= held;
      if (held) {
        since = Date.now();
        failed = 0;
      }
      if (held && Date.now() - begin >= steady) broken = 0;
      // The place of a connection that broke may not be free yet.
      const crowded = failure.code === 'RATE_LIMITED' && opened;
      if (held || crowded) broken++;
      if (!failure.gone && !crowded) return this.#set({ link: { is: 'ended', failure } });
      if (broken >= attempts) {
        return this.#set({ link: { is: 'ended', failure: new Failure('BROKEN', `The connection broke ${attempts} times in a row.`) } });
      }
      since ||= Date.now();
      // A connection that broke may be made anew before there is anything to say.
      this.#set({ link: failed === 0 && held ? { is: 'opening' } : { is: 'gone', since, heardAt: this.#heardAt, message: failure.message } });
      const pause = Math.max(Math.min(250 * 2 ** (failed + broken), 8000), 1000 * (failure.retryAfter ?? 0));
      failed++;
      await this.#pause(pause, signal);
      if (signal.aborted) return;
    }
  }

  #take(rows: readonly Row[]): void {
    const came = rows.filter(({ id }) => later(id, this.#last));
    if (came.length === 0) return;
    this.#last = came.at(-1)!.id;
    const wanted = this.#since === undefined ? came : came.filter(({ at }) => toMoment(at)! >= this.#since!);
    if (wanted.length === 0) return;
    const arrivals = arrive(this.#live.arrivals, wanted);
    this.#set({ arrivals: this.#following ? show(arrivals) : arrivals });
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake(), ms);
      this.#wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', this.#wake);
        resolve();
      };
      signal.addEventListener('abort', this.#wake);
    });
  }

  #set(change: Partial<Live>): void {
    this.#live = { ...this.#live, ...change };
    for (const notify of this.#listeners) notify();
  }
}
