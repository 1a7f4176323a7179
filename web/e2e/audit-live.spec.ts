import type { Page } from '@playwright/test';
import { accessible, ask, become, fits, ids, lines, makeUser, mark, questions, settled, since } from './audit.ts';
import { expect, look, picture, test } from './fixtures.ts';
import type { Server } from './server.mjs';

test.use({ rows: 12_000, timezoneId: 'Europe/Berlin', locale: 'en-US' });

const secret = 'a-long-enough-password';

const live = (page: Page) => page.getByRole('button', { name: 'Live', exact: true });
const count = (page: Page) => page.locator('.count');
const pill = (page: Page) => page.getByRole('button', { name: /^Show .* new entr/ });
const newest = (page: Page) => page.locator('.log .line a').first();

/** Makes the page live, and waits until it is. */
async function begin(page: Page): Promise<void> {
  await live(page).click();
  await expect(live(page)).toHaveAttribute('aria-pressed', 'true');
  await expect(count(page)).toContainText('live');
  await page.mouse.move(0, 0);
}

/** Writes so many entries and one more, and returns the id of that one, the last. */
async function write(server: Server, entries: number): Promise<number> {
  for (let left = entries; left > 0; left -= 20) {
    const fields = Array.from({ length: Math.min(left, 20) }, (_, index) => `r${index}: roles { id }`);
    await ask(server, `{ ${fields.join(' ')} }`);
  }
  return mark(server);
}

/** Waits until an entry is the first of the table. */
const arrived = (page: Page, id: number) => expect(newest(page)).toHaveAttribute('href', new RegExp(`/audit/${id}\\b`));

/** The total that the page shows. */
const total = async (page: Page) => Number((await count(page).locator('b').textContent())!.replace(/^.* of /, '').replaceAll(',', ''));

/** Fails unless the ids go down one by one. */
function contiguous(list: number[]): void {
  expect(list.length).toBeGreaterThan(5);
  expect(list).toEqual(list.map((_, index) => list[0]! - index));
}

test('entries come in as they are written, and nothing is asked for', async ({ audit: page, server }) => {
  const before = await mark(server);
  const asked = questions(page);
  await begin(page);
  await expect(page).toHaveURL(`${server.url}/audit?live=1`);
  // The rows that the log began with, for the picture.
  await page.keyboard.press('p');
  await write(server, 36);
  await expect(pill(page)).toHaveText('↑ Show 37 new entries');
  await picture(page, 'audit-live');
  await page.keyboard.press('p');
  await expect(pill(page)).toHaveCount(0);
  // From the moment in which an answer says that an entry is durable.
  const took: number[] = [];
  for (let i = 0; i < 20; i++) {
    const { auditEntries } = await ask(server, '{ roles { id } auditEntries(limit: 1) { entries { id } } }');
    const written = Date.now();
    await expect(page.locator(`.log .line a[href^="/audit/${auditEntries.entries[0].id}?"]`)).toBeVisible();
    took.push(Date.now() - written);
  }
  took.sort((a, b) => a - b);
  console.log(`from commit to page: median ${took[10]} ms, longest ${took[19]} ms`);
  expect(took[10]).toBeLessThan(1000);
  const last = await write(server, 60);
  await arrived(page, last);
  await expect(count(page)).toContainText('1 to 50 of');
  expect(await total(page)).toBe(last);
  contiguous(await ids(page));
  await accessible(page);
  expect(asked()).toEqual(['AuditLive']);

  await live(page).click();
  await expect(page).toHaveURL(new RegExp(`/audit\\?asOf=${last}$`));
  await arrived(page, last);
  const others = new Set(['admin role.list role:* ALLOW 200', 'admin audit.list audit:* ALLOW 200']);
  await expect.poll(async () => lines(await since(server, before)).filter((line) => !others.has(line))).toEqual([
    'admin audit.stream audit:* ALLOW 200',
    'admin audit.stream.end audit:* ALLOW 499', // it was the page that ended it
  ]);
  expect(asked()).toEqual(['AuditLive']);
});

test('nothing jumps under the eyes of a reader', async ({ audit: page, server }) => {
  test.setTimeout(60_000);
  await begin(page);
  const scroller = page.locator('.scroller');
  const asked = questions(page);

  // Scrolled down.
  await scroller.evaluate((element) => element.scrollTo({ top: 300 }));
  await expect(count(page)).toContainText('live, waiting for you');
  const sight = () => scroller.evaluate((element) => [element.scrollTop, element.querySelector('.line:nth-child(12)')?.textContent]);
  await expect(pill(page)).toHaveCount(0);
  const place = await sight();
  const all = await total(page);
  await write(server, 36);
  await expect(pill(page)).toHaveText('↑ Show 37 new entries');
  expect(await sight()).toEqual(place);
  expect(await total(page)).toBe(all);
  await expect(page.getByRole('status').filter({ hasText: '37 new entries wait above.' })).toBeAttached({ timeout: 20_000 });
  await accessible(page);
  await pill(page).focus();
  await page.keyboard.press('Enter');
  await expect(pill(page)).toHaveCount(0);
  await expect(scroller).toBeFocused();
  expect(await scroller.evaluate((element) => element.scrollTop)).toBe(0);
  expect(await total(page)).toBe(all + 37);
  contiguous(await ids(page));

  // With an entry open, and then at its row.
  await page.locator('.log .line a').nth(3).click();
  await expect(page.locator('.facts')).toBeVisible();
  await page.mouse.move(0, 0);
  const held = await ids(page);
  await write(server, 3);
  await expect(pill(page)).toContainText('5 new'); // the opened entry's own row, too
  expect(await ids(page)).toEqual(held);
  await look(page, 'audit-live-entry');
  await page.keyboard.press('Escape');
  await expect(page.locator('.drawer')).toHaveCount(0);
  await expect(page.locator('.log .line a:focus')).toHaveAttribute('href', `/audit/${held[3]}?live=1`);
  expect(await ids(page)).toEqual(held);
  await page.keyboard.press('Escape');
  await expect(pill(page)).toHaveCount(0);
  await expect(newest(page)).toHaveAttribute('href', `/audit/${held[0]! + 5}?live=1`);

  // Paused.
  await page.keyboard.press('p');
  await expect(count(page)).toContainText('live, paused');
  await write(server, 5);
  await expect(pill(page)).toContainText('6 new');
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect(pill(page)).toHaveCount(0);
  contiguous(await ids(page));
  await page.mouse.move(0, 0);

  // Beneath the pointer.
  await page.locator('.log .line').nth(5).hover();
  await expect(count(page)).toContainText('live, waiting for you');
  await expect(count(page)).not.toContainText('live, waiting for you');
  expect(asked()).toEqual(['AuditEntry']);
});

test('marks fade, unless motion is not wanted', async ({ audit: page, server }) => {
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  await begin(page);
  const animations = () => page.locator('.log .line.fresh .at').first().evaluate((cell) => cell.getAnimations().length);
  await write(server, 1);
  expect(await animations()).toBe(1);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await write(server, 1);
  await expect(page.locator('.log .line.fresh').first()).toBeAttached();
  expect(await animations()).toBe(0);
});

test('the picture stays until it is counted again', async ({ audit: page, server }) => {
  await page.keyboard.press('v');
  await expect(page.getByRole('heading', { name: 'Resources' })).toBeVisible();
  await page.keyboard.press('l');
  await expect(count(page)).toContainText('live');
  const asked = questions(page);
  const before = await mark(server);
  await arrived(page, await write(server, 30));
  await expect(page.locator('.counted')).toContainText(/^Counted at \d\d:\d\d:\d\d, up to entry [\d,]+\. Count again$/);
  await accessible(page);
  await look(page, 'audit-live-picture');
  expect(asked()).toEqual([]);
  expect([...new Set(lines(await since(server, before)))].sort()).toEqual(['admin audit.list audit:* ALLOW 200', 'admin role.list role:* ALLOW 200']);
  await page.getByRole('button', { name: 'Count again' }).click();
  await expect.poll(() => [...asked()].sort()).toEqual(['AuditFacets', 'AuditStats']);
});

test('pages and filters of a live log', async ({ audit: page, server }) => {
  await begin(page);
  const asked = questions(page);
  const last = await write(server, 10);
  await arrived(page, last);
  const first = await total(page);

  // A further page is of what was shown, and what comes is counted.
  await page.keyboard.press('n');
  await expect(count(page)).toContainText('51 to 100 of');
  await settled(page);
  expect((await ids(page))[0]).toBe(last - 50);
  expect(await total(page)).toBe(first);
  await write(server, 7);
  await expect(pill(page)).toContainText('9 new'); // with that page's row
  // Back at the first one, all of it is there, without a question.
  await page.keyboard.press('p');
  await expect(count(page)).toContainText('1 to 50 of');
  await arrived(page, last + 9);
  await expect(page).toHaveURL(`${server.url}/audit?live=1`);
  expect(asked()).toEqual(['AuditLog']);
  await page.keyboard.press('n');
  await expect(count(page)).toContainText('51 to 100 of');
  await write(server, 2);
  await pill(page).click();
  await expect(count(page)).toContainText('1 to 50 of');
  contiguous(await ids(page));
  await page.mouse.move(0, 0);
  await page.getByLabel('Entries on a page').selectOption('100');
  await expect(count(page)).toContainText('1 to 100 of');
  await write(server, 2);
  await expect.poll(async () => (await ids(page))[0]! - (await total(page))).toBe(0);
  contiguous(await ids(page));

  // A filter that only GraphQL knows: a pattern, and a beginning.
  await page.goto('/audit?resource=user:*&since=2026-01-01T00:00:00.000000Z&live=1');
  await settled(page);
  await expect(count(page)).toContainText('live');
  const some = await total(page);
  await write(server, 3);
  await makeUser(server, 'lena', 'viewer', secret);
  await expect(page.locator('.log .line').first()).toContainText('user:lena');
  expect(await total(page)).toBe(some + 1);

  // One that ends cannot be live, and says so.
  await page.goto('/audit?until=2036-01-01T00:00:00.000000Z');
  await settled(page);
  await expect(live(page)).toHaveAttribute('aria-disabled', 'true');
  await expect(live(page)).toHaveAccessibleDescription(/The filter ends before a moment/);
  await live(page).press('Enter');
  await expect(page.getByText('Not live: The filter ends before a moment')).toBeVisible();
  await expect(live(page)).toHaveAttribute('aria-pressed', 'false');
  await accessible(page);

  // A link into a live log, to another page than the newest.
  await page.goto('/audit?page=2&asOf=500&live=1');
  await settled(page);
  await expect(count(page)).toContainText('live begins at the newest entries');
  await page.getByRole('button', { name: 'Newest' }).click();
  await expect(count(page)).toContainText(/read at|live$/);
  await expect(count(page)).not.toContainText('begins');
});

test('a session that ends, ends it; the next one goes on', async ({ audit: page, server }) => {
  await begin(page);
  await write(server, 3);
  await page.context().request.post('/api/auth/logout');
  await expect(page.getByRole('heading', { name: 'Sign in again' })).toBeVisible({ timeout: 15_000 });
  await look(page, 'audit-live-signed-out');
  const last = await write(server, 20);
  await page.getByLabel('Password').fill(server.password);
  await page.keyboard.press('Enter');
  await expect(count(page)).toContainText('live');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect.poll(async () => (await ids(page))[0]).toBeGreaterThanOrEqual(last);
  contiguous(await ids(page));
  expect(await total(page)).toBe((await ids(page))[0]);
  await expect(page).toHaveURL(`${server.url}/audit?live=1`);
});

test('a permission that is lost, ends it', async ({ page, server }) => {
  const id = await makeUser(server, 'otto', 'operator', secret);
  await become(page, server, 'otto', secret);
  await page.goto('/audit');
  await settled(page);
  await begin(page);
  const { roles } = await ask(server, '{ roles { id name } }');
  const role = roles.find(({ name }: { name: string }) => name === 'operator').id;
  await ask(server, 'mutation Take($u: UUID!, $r: UUID!) { removeUserRole(userId: $u, roleId: $r) }', { u: id, r: role });
  const said = page.getByRole('alert').filter({ hasText: 'Live has ended: otto may not read the log any more.' });
  await expect(said).toBeVisible({ timeout: 15_000 });
  await expect(page.locator('.log .line').first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Pause' })).toHaveCount(0);
  await accessible(page);
  await page.setViewportSize({ width: 1280, height: 400 });
  await picture(page, 'audit-live-no-permission');
  await said.getByRole('button', { name: 'Try again' }).click();
  await expect(said).toContainText(/This refusal is entry \d+ of the log\./);
  await ask(server, 'mutation Give($u: UUID!, $r: UUID!) { addUserRole(userId: $u, roleId: $r) { id } }', { u: id, r: role });
  await said.getByRole('button', { name: 'Try again' }).click();
  await expect(said).toHaveCount(0);
  await expect(page.locator('.log .line').filter({ hasText: 'user.role_add' }).first()).toBeVisible();
  contiguous(await ids(page));
});

test('a server that is gone, and back, without a gap or a repeat', async ({ audit: page, server }) => {
  test.setTimeout(90_000);
  await begin(page);
  await arrived(page, await write(server, 5));
  const rows = await ids(page);
  const asked = questions(page);
  await server.halt();
  const said = page.getByRole('alert').filter({ hasText: 'The server does not answer.' });
  await expect(said).toContainText(/It has been away since \d\d:\d\d:\d\d\. What is shown was read at \d\d:\d\d:\d\d\. The page keeps trying\./);
  await expect(count(page)).toContainText('not live now');
  expect(await ids(page)).toEqual(expect.arrayContaining(rows.slice(0, 20)));
  await accessible(page);
  await page.setViewportSize({ width: 1280, height: 400 });
  await picture(page, 'audit-live-gone');
  await said.getByRole('button', { name: 'Try now' }).click();
  await expect(said).toBeVisible();
  await page.setViewportSize({ width: 1280, height: 800 });

  await server.resume();
  const last = await write(server, 30);
  await expect(said).toHaveCount(0, { timeout: 15_000 });
  await expect(count(page)).toContainText('live');
  await expect.poll(async () => (await ids(page))[0]).toBeGreaterThanOrEqual(last);
  contiguous(await ids(page));
  expect(await total(page)).toBe((await ids(page))[0]);
  expect([...new Set(asked())]).toEqual(['AuditLive']);
});

test('connections that break leave an end of it, not an endless row of entries', async ({ audit: page, server }) => {
  await page.clock.install();
  const asked = questions(page);
  // A proxy that ends each answer at once.
  await page.route('/graphql', (route) =>
    route.request().postData()!.includes('subscription') ? route.fulfill({ contentType: 'text/event-stream', body: ':\n\n' }) : route.fallback(),
  );
  await live(page).click();
  const said = page.getByRole('alert').filter({ hasText: 'Live has ended. The connection broke 6 times in a row.' });
  await expect(async () => {
    await page.clock.fastForward(10_000);
    await expect(said).toBeVisible({ timeout: 100 });
  }).toPass();
  await accessible(page);
  await look(page, 'audit-live-broken');
  await page.clock.fastForward('02:00:00');
  expect(asked()).toEqual(Array(6).fill('AuditLive'));
  await page.unroute('/graphql');
  await said.getByRole('button', { name: 'Try again' }).click();
  await expect(count(page)).toContainText('live');
  await write(server, 3);
  await expect(said).toHaveCount(0);
});

test('a gap is said, and so is a crowd', async ({ audit: page, server }) => {
  // Behind an entry that the log does not have, as after an older copy of the database was put in place.
  await page.route('/graphql', (route) => {
    const { query, variables } = route.request().postDataJSON();
    return query.includes('subscription') ? route.continue({ postData: JSON.stringify({ query, variables: { ...variables, after: '999999999' } }) }) : route.fallback();
  });
  await live(page).click();
  const gap = page.getByRole('alert').filter({ hasText: 'Live has ended, with a gap.' });
  await expect(gap).toContainText('The log now ends before what is shown');
  await accessible(page);
  await page.setViewportSize({ width: 1280, height: 400 });
  await picture(page, 'audit-live-gap');
  await page.unroute('/graphql');
  await gap.getByRole('button', { name: 'Read the newest' }).click();
  await expect(gap).toHaveCount(0);
  await expect(count(page)).toContainText('live');
  await live(page).click();

  // A user has four streams at once.
  const others = new AbortController();
  for (let i = 0; i < 4; i++) {
    await expect(async () => { // the page's own stream may be ending yet
      const { ok } = await fetch(`${server.url}/api/audit/stream`, { headers: { Cookie: server.cookie }, signal: others.signal });
      expect(ok).toBe(true);
    }).toPass();
  }
  await page.getByRole('button', { name: 'Newest' }).click();
  await settled(page);
  await live(page).click();
  const crowd = page.getByRole('alert').filter({ hasText: 'Live has ended. A server has 64 streams at once, and a user 4 of them' });
  await expect(crowd).toBeVisible();
  others.abort();
  await expect(async () => {
    await crowd.getByRole('button', { name: 'Try again' }).click();
    await expect(crowd).toHaveCount(0, { timeout: 500 });
    await expect(count(page)).toContainText('live', { timeout: 500 });
  }).toPass();
});

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [320, 768, 1280, 2560]) {
    test(`a live log fits ${width} px, ${colorScheme}`, async ({ audit: page, server }) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await begin(page);
      await arrived(page, await write(server, 3));
      await page.getByRole('button', { name: 'Pause' }).click();
      await write(server, 12);
      await expect(pill(page)).toContainText('13 new');
      await fits(page);
      await accessible(page);
      await look(page, `audit-live-${colorScheme}-${width}`);
      if (colorScheme === 'dark' && width === 320) await picture(page, 'audit-live-narrow');
    });
  }
}
