import { readFile } from 'node:fs/promises';
import { accessible, ask, become, fits, lines, makeUser, mark, questions, settled, since } from './audit.ts';
import { expect, look, picture, test } from './fixtures.ts';

test.use({ rows: 12_000, timezoneId: 'Europe/Berlin', locale: 'en-US' });

for (const [format, label] of [
  ['csv', 'CSV'],
  ['ndjson', 'NDJSON'],
] as const) {
  test(`what is shown is taken away as ${label}`, async ({ audit: page, server }) => {
    await page.goto('/audit?decision=deny');
    await settled(page);
    const begin = await mark(server);
    await page.getByRole('button', { name: 'Export, copy…' }).click();
    const form = page.getByRole('dialog', { name: 'Export, copy' });
    await form.getByLabel(label, { exact: false }).first().check();
    await accessible(page);
    const downloading = page.waitForEvent('download');
    await form.getByRole('button', { name: 'Export', exact: true }).click();
    const download = await downloading;
    await expect(form.getByRole('status').filter({ hasText: 'Complete' })).toContainText('hash checked');
    if (format === 'csv') await picture(page, 'audit-export');
    expect(download.suggestedFilename()).toMatch(new RegExp(`^halite-audit-1-\\d+\\.${format}$`));

    const text = await readFile(await download.path(), 'utf8');
    const [exported, ended] = await since(server, begin);
    expect(lines([exported!, ended!])).toEqual(['admin audit.export audit:* ALLOW 200', 'admin audit.export.end audit:* ALLOW 200']);
    expect(exported!.args).toEqual({ filter: { decision: 'deny' }, format });
    const total = Number((await page.locator('.count b').textContent())!.replace(/^.* of /, '').replace(',', ''));
    expect(ended!.args.count).toBe(total);
    expect(text.trimEnd().split('\n')).toHaveLength(total + (format === 'csv' ? 2 : 1));
  });
}

test('an export that is cut says so', async ({ audit: page }) => {
  // What came before the connection broke, as a cache that keeps a cut answer would give it.
  await page.route('/api/audit/export?*', async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    await route.fulfill({ response, body: body.subarray(0, body.length - 40) });
  });
  await page.getByRole('button', { name: 'Export, copy…' }).click();
  await page.getByRole('button', { name: 'Export', exact: true }).click();
  await expect(page.getByRole('dialog').getByRole('status').first()).toContainText('The file was cut');
  await look(page, 'audit-export-cut');
});

test('who may not export is told so', async ({ page, server }) => {
  const { createRole } = await ask(server, 'mutation { createRole(name: "reader") { id } }');
  await ask(server, 'mutation Add($id: UUID!) { addPermission(roleId: $id, verb: "view", resourceGlob: "audit:*") { id } }', { id: createRole.id });
  await makeUser(server, 'olaf', 'reader', 'a-long-enough-password');
  await become(page, server, 'olaf', 'a-long-enough-password');
  await page.goto('/audit');
  await settled(page);
  const begin = await mark(server);
  await page.getByRole('button', { name: 'Export, copy…' }).click();
  await expect(page.getByRole('dialog')).toContainText('It needs the permission export on audit:*');
  await expect(page.getByRole('button', { name: 'Export', exact: true })).toHaveCount(0);
  // Suggestions are not asked for where they would be refused.
  await page.keyboard.press('Escape');
  await page.getByLabel('User', { exact: true }).focus();
  await page.getByLabel('User', { exact: true }).fill('olaf');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('list', { name: 'Filtered by' })).toContainText('User: olaf');
  await settled(page);
  expect(lines(await since(server, begin))).toEqual(['olaf audit.list audit:* ALLOW 200']);
});

test('a server that is gone, and back', async ({ audit: page, context, server }) => {
  const shown = await page.locator('.log .line').first().textContent();
  const begin = await mark(server);
  await context.setOffline(true);
  await page.getByRole('button', { name: 'Next page' }).click();
  const said = page.getByRole('alert').filter({ hasText: 'The server does not answer.' });
  await expect(said).toContainText(/It has been away since \d\d:\d\d:\d\d\. What is shown was read at \d\d:\d\d:\d\d\./);
  await expect(page.locator('.log .line').first()).toHaveText(shown!);
  await accessible(page);
  await picture(page, 'audit-server-gone');
  await said.getByRole('button', { name: 'Try now' }).click();
  await expect(said).toBeVisible();

  await context.setOffline(false);
  await said.getByRole('button', { name: 'Try now' }).click();
  await expect(page.locator('.count')).toContainText('51 to 100 of');
  await expect(said).toHaveCount(0);
  expect(lines(await since(server, begin))).toEqual(['admin audit.list audit:* ALLOW 200']);

  // By itself, too.
  await context.setOffline(true);
  await page.getByRole('button', { name: 'Next page' }).click();
  await expect(said).toBeVisible();
  await context.setOffline(false);
  await expect(page.locator('.count')).toContainText('101 to 150 of', { timeout: 15_000 });
  await expect(said).toHaveCount(0);
});

test('a server that takes its time', async ({ page, server }) => {
  await become(page, server, 'admin', server.password);
  await page.clock.install();
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  await page.route('/graphql', async (route) => {
    if (route.request().postData()!.includes('auditEntries')) await held;
    await route.continue();
  });
  await page.goto('/audit');
  await expect(page.getByText('Reading the log…')).toBeAttached();
  await look(page, 'audit-loading');
  await page.clock.fastForward(5000);
  await expect(page.getByRole('status').filter({ hasText: 'The server takes its time.' })).toBeVisible();
  await accessible(page);
  await picture(page, 'audit-slow');
  release();
  await settled(page);
  await expect(page.getByText('takes its time')).toHaveCount(0);
});

test('a refusal of the server is said', async ({ audit: page }) => {
  const refuse = (code: string, message: string, more: object) =>
    page.route('/graphql', (route) =>
      route.fulfill({ json: { data: { auditEntries: null }, errors: [{ message, extensions: { code, ...more } }] } }),
    );
  await refuse('INTERNAL_SERVER_ERROR', 'Internal server error', { auditId: '77' });
  await page.getByRole('button', { name: 'Newest' }).click();
  await expect(page.getByRole('alert')).toContainText('look for entry 77');
  await look(page, 'audit-fault');
  await page.unroute('/graphql');
  await refuse('BAD_USER_INPUT', 'until must be later than since', { field: 'filter.until' });
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('alert')).toContainText('The server does not take this filter');
  await expect(page.getByRole('alert')).toContainText('filter.until');
  await page.unroute('/graphql');
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await settled(page);
});

test('the page reads nothing by itself', async ({ page, server }) => {
  await become(page, server, 'admin', server.password);
  await page.clock.install();
  const begin = await mark(server);
  const asked = questions(page);
  await page.goto('/audit');
  await settled(page);
  expect([...asked()].sort()).toEqual(['/api/auth/me', 'AuditLog', 'Rights']);

  await page.clock.fastForward('02:00:00');
  await page.evaluate(() => {
    dispatchEvent(new Event('focus'));
    dispatchEvent(new Event('online'));
  });
  await page.setViewportSize({ width: 900, height: 600 });
  await page.locator('.scroller').hover();
  await page.mouse.wheel(0, 600);
  await page.clock.fastForward('02:00:00');
  expect(asked()).toHaveLength(3);
  expect(lines(await since(server, begin))).toEqual(['admin audit.list audit:* ALLOW 200']);
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`denials stand out, ${colorScheme}`, async ({ audit: page, server }) => {
    await page.emulateMedia({ colorScheme });
    // Which rows are denied depends on the day they were made on: one is asked for, and shown third.
    const { auditEntries } = await ask(server, '{ auditEntries(filter: { decision: DENY, asOf: "11500" }, limit: 50) { entries { id resultCode } } }');
    const { id } = auditEntries.entries.find(({ resultCode }: { resultCode: number }) => resultCode === 403);
    await page.goto(`/audit?asOf=${Number(id) + 2}&picture=1`);
    await settled(page);
    await expect(page.getByRole('heading', { name: 'Resources' })).toBeVisible();
    const denied = page.locator('.line.denied').filter({ hasText: '403' }).first();
    const allowed = page.locator('.line:not(.denied)').first();
    // By a word, by a mark, and by colour.
    await expect(denied.locator('.decision')).toHaveText('✕ denied');
    await expect(allowed.locator('.decision')).toHaveText('✓ allowed');
    const background = (row: typeof denied) => row.evaluate((element) => getComputedStyle(element).backgroundColor);
    expect(await background(denied)).not.toBe(await background(allowed));
    await denied.locator('.resource').click();
    await expect(page.locator('.told.denied')).toContainText('Denied: no permission matches');
    await page.mouse.move(0, 0);
    await picture(page, colorScheme === 'light' ? 'audit' : 'audit-dark');
  });

  for (const width of [320, 768, 1280, 2560]) {
    test(`fits ${width} px, ${colorScheme}`, async ({ audit: page, server }) => {
      await ask(server, '{ roles { id } }');
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await settled(page);
      await fits(page);
      await accessible(page);
      await look(page, `audit-${colorScheme}-${width}`);
      if (colorScheme === 'light' && width === 320) await picture(page, 'audit-narrow');
      if (width === 320) {
        await page.getByRole('button', { name: 'Filter' }).click();
        await page.getByRole('button', { name: 'More', exact: true }).click();
        await fits(page);
        await accessible(page);
        await look(page, `audit-${colorScheme}-${width}-unfolded`);
        await page.getByRole('button', { name: 'Filter' }).click();
        await page.getByRole('button', { name: 'More', exact: true }).click();
      }
      await page.goto('/audit?picture=1');
      await expect(page.getByRole('heading', { name: 'Resources' })).toBeVisible();
      await settled(page);
      await fits(page);
      await accessible(page);
      await look(page, `audit-${colorScheme}-${width}-picture`);
      await page.goto('/audit');
      await settled(page);
      await page.locator('.log .line a').nth(2).click();
      await expect(page.locator('.facts')).toBeVisible();
      await fits(page);
      await accessible(page);
      await look(page, `audit-${colorScheme}-${width}-entry`);
    });
  }
}

test('the first load is small, and all of it from here', async ({ page, server }) => {
  await become(page, server, 'admin', server.password);
  const sizes: Promise<number>[] = [];
  page.on('response', (response) => {
    if (response.request().resourceType() === 'script') sizes.push(response.request().sizes().then(({ responseBodySize }) => responseBodySize));
  });
  await page.goto('/audit');
  await settled(page);
  const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  expect(total).toBeGreaterThan(50_000);
  expect(total).toBeLessThan(200_000);
});
