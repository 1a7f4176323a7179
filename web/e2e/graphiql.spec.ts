import type { Page } from '@playwright/test';
import { expect, look, test } from './fixtures.ts';

/** Fills the sign-in form and sends it with the keyboard alone. */
async function signInByKeyboard(page: Page, username: string, password: string): Promise<void> {
  await expect(page.getByLabel('User name')).toBeFocused();
  await page.keyboard.type(username);
  await page.keyboard.press('Tab');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
}

/** Runs the operation in the editor and returns what the server answered. */
async function run(page: Page): Promise<{ data: any; errors?: any[] }> {
  const answered = page.waitForResponse((response) => new URL(response.url()).pathname === '/graphql');
  await page.getByRole('button', { name: 'Execute query' }).click();
  return (await answered).json();
}

/** Types text at the end of the operation in the editor. */
async function append(page: Page, text: string): Promise<void> {
  await page.getByRole('region', { name: 'Operation Editor' }).locator('.view-lines').click();
  await page.keyboard.press('ControlOrMeta+End');
  await page.keyboard.type(text);
}

const operation = (page: Page) => page.getByRole('region', { name: 'Operation Editor' }).locator('.view-lines');
const result = (page: Page) => page.locator('.result-window .view-lines');

test('signing in by keyboard, after a mistake', async ({ page, server }) => {
  await page.goto('/graphiql');
  await look(page, 'sign-in');
  await signInByKeyboard(page, 'admin', 'not-the-password');
  await expect(page.getByRole('alert')).toHaveText('Invalid credentials.');
  await look(page, 'sign-in-refused');

  await expect(page.getByLabel('Password')).toBeFocused();
  await expect(page.getByLabel('Password')).toHaveValue('');
  await page.keyboard.type(server.password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.getByTitle('Signed in as admin')).toBeVisible();
  await expect(page.getByRole('tab')).toContainText(['LatestDenials', 'SignIns', 'WhoAmI']);

  const stored = () => page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  await append(page, '# kept');
  await expect.poll(stored).toContain('# kept');
  expect(await stored()).not.toContain(server.password);
});

test('every example runs', async ({ signedIn: page }) => {
  for (const name of ['LatestDenials', 'SignIns', 'WhoAmI']) {
    await page.getByRole('tab', { name }).click();
    await expect(operation(page)).toContainText(name);
    // For a moment after a tab is changed, the editor sends the name of the operation that was shown before.
    await expect(async () => {
      const { data, errors } = await run(page);
      expect(errors).toBeUndefined();
      expect(Object.values(data)).not.toContain(null);
    }).toPass();
    await expect(result(page)).toContainText('"data"');
    await look(page, `example-${name}`);
  }
});

test('a refusal is found in the log', async ({ signedIn: page, browser, server }) => {
  const stranger = await browser.newContext({ baseURL: server.url });
  const refusal = await stranger.request.post('/graphql', { data: { query: '{ auditEntries { total } }' } });
  const refused = await refusal.json();
  expect(refused.data).toEqual({ auditEntries: null });
  expect(refused.errors[0].extensions.code).toBe('UNAUTHENTICATED');
  await stranger.close();

  await expect(operation(page)).toContainText('LatestDenials');
  const { data } = await run(page);
  expect(data.auditEntries.total).toBeGreaterThan(0);
  expect(data.auditEntries.entries).toContainEqual(
    expect.objectContaining({ action: 'audit.list', username: null, resultCode: 401 }),
  );
  await expect(result(page)).toContainText('"audit.list"');
  await look(page, 'refusal');
});

test('the editor knows the schema', async ({ signedIn: page }) => {
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await expect(page.getByRole('link', { name: 'Query' })).toBeVisible();
  await look(page, 'documentation');

  await page.getByRole('tab', { name: 'WhoAmI' }).click();
  await append(page, '\nquery Wrong { nonsense }');
  await expect(page.locator('.squiggly-error').first()).toBeVisible();
});

test('a session that ends leaves the text', async ({ signedIn: page, server }) => {
  await append(page, '\n# a thought not yet finished');
  const login = await page.request.post('/api/auth/login', { data: { username: 'admin', password: server.password } });
  expect(login.ok()).toBe(true);
  await page.request.post('/api/auth/logout');
  await run(page);

  await expect(page.getByRole('heading', { name: 'Sign in again' })).toBeVisible();
  await look(page, 'expired');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await expect(page.getByLabel('User name')).toHaveValue('admin');
  await page.getByLabel('Password').fill(server.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(operation(page)).toContainText('a thought not yet finished');
  expect((await run(page)).errors).toBeUndefined();
});

test('changing the password, and signing out', async ({ signedIn: page, server }) => {
  const next = 'another-horse-battery';
  await page.getByRole('button', { name: 'Change password' }).click();
  const form = page.getByRole('dialog');
  const send = form.getByRole('button', { name: 'Change password' });
  const fill = async (current: string, wanted: string, repeated: string) => {
    await form.getByLabel('Current password').fill(current);
    await form.getByLabel(/^New password(?! again)/).fill(wanted);
    await form.getByLabel('New password again').fill(repeated);
    await send.click();
  };
  await look(page, 'change-password');
  await fill(server.password, next, 'something-else');
  await expect(form.getByRole('alert')).toHaveText('The two new passwords differ.');
  await fill('not-the-password', next, next);
  await expect(form.getByRole('alert')).toHaveText('Current password is incorrect.');
  await fill(server.password, next, next);
  await expect(page.getByRole('status')).toHaveText('Password changed.');
  await expect(form).toHaveCount(0);
  server.password = next;

  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expect(page.getByRole('tab')).toHaveCount(0);
  await signInByKeyboard(page, 'admin', next);
  await expect(page.getByRole('tab', { name: 'LatestDenials' })).toBeVisible();
  server.cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
});

test('a password that was given has to be changed first', async ({ page, server }) => {
  // The server's own answer, but for the flag.
  await page.route('/api/auth/login', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), must_change_pw: true } });
  });
  await page.goto('/graphiql');
  await signInByKeyboard(page, 'admin', server.password);
  await expect(page.getByRole('heading', { name: 'Choose a new password' })).toBeVisible();
  await expect(page.getByRole('dialog')).toContainText('was given to you');
  await expect(page.getByRole('tab')).toHaveCount(0);
  await look(page, 'must-change');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
});

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [1280, 400]) {
    test(`fits ${width} px, ${colorScheme}`, async ({ signedIn: page }) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await expect(operation(page)).toContainText('LatestDenials');
      await run(page);
      await look(page, `editor-${colorScheme}-${width}`);
      await expect(result(page)).toContainText('"total"');
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow).toBeLessThanOrEqual(0);

      await page.getByRole('button', { name: 'Change password' }).click();
      await expect(page.getByRole('dialog')).toBeInViewport({ ratio: 1 });
      await look(page, `form-${colorScheme}-${width}`);
    });
  }
}
