import { describe, expect, it } from 'vitest';
import { arrive, behind, most, none, onto, show } from './arrivals.ts';
import type { Row } from './documents.ts';
import type { Listing } from './queries.ts';

const row = (id: number): Row => ({
  id: String(id), at: '2026-01-02T03:04:05.000000Z', userId: null, username: null, action: 'a', resource: 'r',
  decision: 'ALLOW', resultCode: 200, durationMs: 1, saltJid: null,
});
const rows = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => row(first + index));
const ids = (list: readonly Row[]) => list.map(({ id }) => Number(id));
const page = (newest: number, size: number): Listing => ({
  rows: rows(newest - size + 1, newest).reverse(), total: newest, exact: true, searchedTo: null, asOf: String(newest), readAt: 0, page: 1, size,
});

describe('what came', () => {
  it('waits until it is shown, newest first', () => {
    const waiting = arrive(arrive(none, rows(11, 12)), rows(13, 13));
    expect([ids(waiting.waiting), waiting.waitingCount, waiting.shownCount]).toEqual([[13, 12, 11], 3, 0]);
    const shown = show(waiting);
    expect([ids(shown.shown), shown.shownCount, shown.waitingCount]).toEqual([[13, 12, 11], 3, 0]);
  });

  it('is counted, and kept up to a bound; what is on the page stays there while more waits', () => {
    const on = show(arrive(none, rows(1, 30)));
    const held = arrive(on, rows(31, 31 + most + 99));
    expect([held.waiting.length, held.waitingCount, held.waiting[0]!.id]).toEqual([most, most + 100, String(most + 130)]);
    expect(ids(held.shown)).toEqual(ids(on.shown));
    const all = show(held);
    expect([all.shown.length, all.shownCount]).toEqual([most, most + 130]);
    expect(ids(all.shown)).toEqual(ids(held.waiting));
  });

  it('makes the page that would be read now', () => {
    const read = page(100, 50);
    expect(onto(read, arrive(none, rows(101, 103)))).toBe(read);
    const now = onto(read, show(arrive(none, rows(101, 103))));
    expect([ids(now.rows), now.total, now.asOf]).toEqual([ids(page(103, 50).rows), 103, '103']);
    const all = onto(read, show(arrive(none, rows(101, 900))));
    expect([ids(all.rows), all.total, all.asOf]).toEqual([ids(page(900, 50).rows), 900, '900']);
  });

  it('begins behind a page that is read anew, and says so where it cannot', () => {
    const held = arrive(show(arrive(none, rows(11, 20))), rows(21, 25));
    expect(onto(page(22, 10), behind(held, '22')!)).toEqual(onto(page(10, 10), show(held)));
    expect(behind(held, '25')).toEqual(none);
    expect(behind(held, '10')!.shownCount).toBe(15);
    const long = arrive(none, rows(1001, 1000 + most + 1));
    expect(behind(long, '1002')!.shownCount).toBe(most - 1);
    expect(behind(long, '1000')).toBeNull();
  });

  it('compares ids as numbers of any length', () => {
    const came = show(arrive(none, [row(9), row(10)]));
    expect(behind(came, '9')!.shownCount).toBe(1);
  });
});
