import { accessible, ask, become, ids, lines, makeUser, mark, settled, since } from './audit.ts';
import { expect, look, picture, test } from './fixtures.ts';

// A log that is longer than a search looks at; every journey ends with a look at what it left there.
test.use({ rows: 60_000, timezoneId: 'Europe/Berlin', locale: 'en-US' });

const secret = 'a-long-enough-password';

test('signing in with a password that was given, where a link leads', async ({ page, server }) => {
  await makeUser(server, 'nina', 'operator', 'given-by-somebody', true);
  const begin = await mark(server);
  await page.goto('/audit?decision=deny&tz=utc');
  await expect(page.getByLabel('User name')).toBeFocused();
  await picture(page, 'audit-sign-in');
  await page.keyboard.type('nina');
  await page.keyboard.press('Tab');
  await page.keyboard.type('given-by-somebody');
  await page.keyboard.press('Enter');

  await expect(page.getByRole('heading', { name: 'Choose a new password' })).toBeVisible();
  await expect(page.locator('.log')).toHaveCount(0);
  await page.getByLabel('Current password').fill('given-by-somebody');
  await page.getByLabel(/^New password(?! again)/).fill(secret);
  await page.getByLabel('New password again').fill(secret);
  await page.keyboard.press('Enter');

  await settled(page);
  expect(page.url()).toBe(`${server.url}/audit?decision=deny&tz=utc`);
  await expect(page.locator('.log .line').filter({ hasText: 'allowed' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();

  const left = await since(server, begin);
  expect(lines(left)).toEqual([
    'nina auth.login user:nina ALLOW 200',
    'nina auth.change_password user:nina ALLOW 204',
    'nina audit.list audit:* ALLOW 200',
    'nina auth.logout user:nina ALLOW 204',
  ]);
  expect(left[2]!.args).toEqual({ filter: { decision: 'deny' }, limit: 50, offset: 0 });
});

test('a session that ends leads back to the same place', async ({ audit: page, server }) => {
  await page.goto('/audit?page=2&tz=utc');
  await settled(page);
  const place = await ids(page);
  const begin = await mark(server);
  // The session of the page is ended from elsewhere, by its own cookie.
  await page.context().request.post('/api/auth/logout');
  await page.getByRole('button', { name: 'Next page' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in again' })).toBeVisible();
  await expect(page.getByText('The page is as you left it.')).toBeVisible();
  await picture(page, 'audit-signed-out');
  await expect(page.getByLabel('User name')).toHaveValue('admin');
  await page.getByLabel('Password').fill(server.password);
  await page.keyboard.press('Enter');
  await expect(page.locator('.count')).toContainText('101 to 150 of');
  await settled(page);
  expect(page.url()).toMatch(/\/audit\?page=3&asOf=\d+&tz=utc$/);
  expect((await ids(page))[0]).toBe(place[0]! - 50);

  expect(lines(await since(server, begin))).toEqual([
    'admin auth.logout user:admin ALLOW 204',
    'nobody audit.list audit:* DENY 401',
    'admin auth.login user:admin ALLOW 200',
    'admin audit.list audit:* ALLOW 200',
  ]);
});

test('who may not read the log is told so, and whom to ask', async ({ page, server }) => {
  await makeUser(server, 'vera', 'viewer', secret);
  await become(page, server, 'vera', secret);
  const begin = await mark(server);
  await page.goto('/audit');
  const said = page.getByRole('alert');
  await expect(said).toContainText('You may not read the log');
  await expect(said).toContainText(/no match among \d+ permissions of role viewer/);
  await expect(said).toContainText('Ask an administrator');
  await accessible(page);
  await picture(page, 'audit-no-permission');

  const left = await since(server, begin);
  expect(lines(left)).toEqual(['vera audit.list audit:* DENY 403']);
  await expect(said).toContainText(`This refusal is entry ${left[0]!.id} of the log.`);

  // A role acts at once.
  const { users, roles } = await ask(server, '{ users { users { id username } } roles { id name } }');
  await ask(server, 'mutation Give($u: UUID!, $r: UUID!) { addUserRole(userId: $u, roleId: $r) { id } }', {
    u: users.users.find(({ username }: { username: string }) => username === 'vera').id,
    r: roles.find(({ name }: { name: string }) => name === 'operator').id,
  });
  await said.getByRole('button', { name: 'Try again' }).click();
  await settled(page);
  await expect(page.locator('.log .line').first()).toContainText('user.role_add');
});

test('no page repeats a row of another while rows are written', async ({ audit: page, server }) => {
  const first = await ids(page);
  const total = await page.locator('.count b').textContent();
  const write = async () => {
    for (let i = 0; i < 30; i++) await ask(server, '{ roles { id } }');
  };
  await write();
  const seen = [first];
  for (const begin of [51, 101, 151]) {
    await page.getByRole('button', { name: 'Next page' }).click();
    await expect(page.locator('.count')).toContainText(`${begin} to ${begin + 49} of`);
    await settled(page);
    await page.locator('.scroller').evaluate((scroller) => scroller.scrollTo(0, scroller.scrollHeight));
    await expect(page.locator(`.log [aria-rowindex="${begin + 50}"]`)).toBeVisible();
    const bottom = await ids(page);
    await page.locator('.scroller').evaluate((scroller) => scroller.scrollTo(0, 0));
    await expect(page.locator(`.log [aria-rowindex="${begin + 1}"]`)).toBeVisible();
    seen.push([...new Set([...(await ids(page)), ...bottom])].sort((a, b) => b - a));
    await write();
  }
  for (const [index, page] of seen.entries()) expect(page[0]).toBe(first[0]! - 50 * index);
  // The total is that of the first page.
  await expect(page.locator('.count b')).toHaveText(total!.replace('1 to 50', '151 to 200'));

  // Back leads to the page before, and the newest rows are there when they are asked for.
  await page.goBack();
  await expect(page.locator('.count')).toContainText('101 to 150 of');
  const begin = await mark(server);
  await page.getByRole('button', { name: 'Newest' }).click();
  await expect(page.locator('.count')).toContainText('1 to 50 of');
  await expect(page.locator(`.log a[href^="/audit/${begin}"]`)).toBeVisible();
  expect(lines(await since(server, begin))).toEqual(['admin audit.list audit:* ALLOW 200']);
});

test('any page, entry and moment is a step away', async ({ audit: page, server }) => {
  const newest = (await ids(page))[0]!;
  const begin = await mark(server);
  await page.getByLabel('Page', { exact: true }).fill('120');
  await page.keyboard.press('Enter');
  await expect(page.locator('.count')).toContainText('5,951 to 6,000 of');
  await settled(page);
  expect((await ids(page))[0]).toBe(newest - 5950);

  await page.locator('.scroller').focus(); // a letter in the field of the page is a letter
  await page.keyboard.press('g');
  const form = page.getByRole('dialog', { name: 'Go to' });
  await look(page, 'audit-go-to');
  await accessible(page);
  await form.getByLabel('Entry').fill('4,321');
  await page.keyboard.press('Enter');
  await expect(page.locator('.log .line a:focus')).toHaveAttribute('href', /^\/audit\/4321\?/);

  // The moment of a row leads to the row before it.
  const at = await page.locator('.log .line a:focus time').getAttribute('datetime');
  await page.keyboard.press('u');
  await page.keyboard.press('g');
  await form.getByLabel('Moment').fill(at!.slice(0, 19));
  await form.getByRole('button', { name: 'Go to the moment' }).click();
  await expect(page.locator('.log .line a:focus')).toHaveAttribute('href', /^\/audit\/4320\?/);

  await page.keyboard.press('g');
  for (const [id, answer] of [
    ['999999999', 'newer than what is shown'],
    ['0', 'a number from 1 up'],
    ['-7', 'a number from 1 up'],
  ] as const) {
    await form.getByLabel('Entry').fill(id);
    await page.keyboard.press('Enter');
    await expect(form.getByRole('alert')).toContainText(answer);
  }
  await page.keyboard.press('Escape');
  await page.goto('/audit?page=4000&asOf=100');
  await expect(page.getByRole('heading', { name: 'There is no such page' })).toBeVisible();
  await look(page, 'audit-no-page');
  await page.getByRole('button', { name: 'Go to the last page' }).click();
  await expect(page.locator('.count')).toContainText('51 to 100 of 100');
  await expect(page.locator('.log a[href^="/audit/100?"]')).toHaveCount(0);

  // A jump to a page or to an entry is one row. One to a moment asks for a count, and for the page if it is another.
  const jumps = (await since(server, begin)).filter(({ args }) => args?.offset !== undefined).slice(0, 3);
  expect(jumps.map(({ action, args }) => [action, args.limit, args.offset])).toEqual([
    ['audit.list', 50, 5950],
    ['audit.list', 50, Math.floor((newest - 4321) / 50) * 50],
    ['audit.list', 1, 0],
  ]);
});

test('with the keyboard alone', async ({ audit: page, server }) => {
  const begin = await mark(server);
  const [first, second, third] = await ids(page);
  const focused = page.locator('.log .line a:focus');
  await page.keyboard.press('j');
  await expect(focused).toHaveAttribute('href', `/audit/${first}`);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await expect(focused).toHaveAttribute('href', `/audit/${second}`);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: `Entry ${second!.toLocaleString('en-US')}` })).toBeFocused();
  await expect(page.locator('.facts')).toBeVisible();
  await page.keyboard.press('j');
  await expect(page.getByRole('heading', { name: `Entry ${third!.toLocaleString('en-US')}` })).toBeVisible();
  await expect(page.locator('.facts')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.locator('.drawer')).toHaveCount(0);
  await expect(focused).toHaveAttribute('href', `/audit/${third}`);

  // From the last row to the first, through rows that were not there.
  for (let i = 0; i < 60; i++) await page.keyboard.press('j');
  await expect(focused).toHaveAttribute('href', `/audit/${first! - 49}`);
  await expect(focused).toBeInViewport();
  for (let i = 0; i < 60; i++) await page.keyboard.press('k');
  await expect(focused).toHaveAttribute('href', `/audit/${first}`);
  await expect(focused).toBeInViewport();

  await page.keyboard.press('n');
  await expect(page.locator('.count')).toContainText('51 to 100 of');
  await settled(page);
  await page.keyboard.press('p');
  await expect(page.locator('.count')).toContainText('1 to 50 of');
  await page.keyboard.press('/');
  await expect(page.getByLabel('User', { exact: true })).toBeFocused();
  await page.keyboard.type('jn?'); // letters, not orders
  await expect(page.getByLabel('User', { exact: true })).toHaveValue('jn?');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert').filter({ hasText: 'No user “jn?”' })).toBeVisible();
  await page.keyboard.press('Tab');

  await page.locator('.scroller').focus();
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Help' });
  await expect(help).toBeVisible();
  await look(page, 'audit-help');
  await accessible(page);
  await help.getByLabel('Single keys do something').uncheck();
  await page.keyboard.press('Escape');
  await page.locator('.scroller').focus();
  await page.keyboard.press('g');
  await page.keyboard.press('n');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.locator('.count')).toContainText('1 to 50 of');

  const left = await since(server, begin);
  expect(lines(left).filter((line) => !line.includes('user.list'))).toEqual([
    'admin audit.get audit:* ALLOW 200',
    'admin audit.get audit:* ALLOW 200',
    'admin audit.list audit:* ALLOW 200',
    'admin audit.list audit:* ALLOW 200',
  ]);
  expect(left[0]!.args).toEqual({ id: String(second) });
});

test('a filter is made, shared and cleared', async ({ audit: page, server, browser }) => {
  // Names are suggested that were seen.
  await page.goto('/audit?page=12');
  await settled(page);
  const begin = await mark(server);
  const user = page.getByLabel('User', { exact: true });
  await user.focus();
  await expect(page.locator('datalist').first().locator('option[value="alice.adler"]')).toBeAttached();
  await user.fill('alice.adler');
  await user.press('Enter');
  await expect(page.getByRole('list', { name: 'Filtered by' })).toContainText('User: alice.adler');
  await settled(page);
  expect(new Set(await page.locator('.log .line .user').allTextContents())).toEqual(new Set(['alice.adler']));

  await page.getByRole('combobox', { name: 'Action' }).fill('minion.list');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('list', { name: 'Filtered by' })).toContainText('Action: minion.list');
  await page.getByText('Allowed', { exact: true }).click();
  await page.getByLabel('Range').selectOption('Last 365 days');
  await expect(page.getByRole('list', { name: 'Filtered by' })).toContainText('From:');
  await settled(page);
  const shown = await page.locator('.log .line').evaluateAll((rows) => rows.map((row) => ['action', 'decision'].map((name) => row.querySelector(`.${name}`)!.textContent)));
  for (const [action, decision] of shown) expect([action, decision]).toEqual(['minion.list', '✓ allowed']);
  await look(page, 'audit-filter');
  await accessible(page);

  const asked = (await since(server, begin)).filter(({ action }) => action === 'audit.list').at(-1)!;
  expect(asked.args.filter).toEqual({ user_id: expect.any(String), action: 'minion.list', decision: 'allow', since: expect.any(String) });
  expect((await since(server, begin)).filter(({ action }) => action === 'user.list')).toHaveLength(1);

  // The link shows a colleague the same rows.
  const here = await ids(page);
  const context = await browser.newContext({ baseURL: server.url });
  const colleague = await context.newPage();
  await become(colleague, server, 'admin', server.password);
  await colleague.goto(page.url());
  await settled(colleague);
  expect(await ids(colleague)).toEqual(here);
  await expect(colleague.getByRole('list', { name: 'Filtered by' })).toContainText('User: alice.adler');
  await context.close();

  await page.getByRole('button', { name: 'Remove User: alice.adler' }).click();
  await expect(page).not.toHaveURL(/user=/);
  await page.getByRole('button', { name: 'Clear' }).click();
  await expect(page).toHaveURL(`${server.url}/audit`);
  await expect(page.getByRole('list', { name: 'Filtered by' })).toHaveCount(0);
  await page.goBack();
  await expect(page).toHaveURL(/action=minion\.list/);
  await expect(page.getByRole('list', { name: 'Filtered by' })).toContainText('Action: minion.list');
});

test('several users and actions', async ({ audit: page, server }) => {
  await page.goto('/audit?page=12');
  await settled(page);
  const begin = await mark(server);
  const user = page.getByLabel('User', { exact: true });
  for (const name of ['alice.adler', 'nobody']) {
    await user.fill(name);
    await user.press('Enter');
    await expect(page.getByRole('list', { name: 'Filtered by' })).toContainText(`User: ${name}`);
    await expect(user).toHaveValue('');
  }
  // An action is suggested from the log, also one that was not seen.
  const action = page.getByRole('combobox', { name: 'Action' });
  await action.press('ArrowDown');
  await expect(page.locator('datalist').nth(1).locator('option[value="schedule.update"]')).toBeAttached();
  for (const name of ['minion.list', 'job.list']) {
    await action.fill(name);
    await action.press('Enter');
  }
  await expect(page.getByRole('list', { name: 'Filtered by' })).toContainText('Action: job.list');
  await settled(page);
  const shown = await page
    .locator('.log .line')
    .evaluateAll((rows) => rows.map((row) => ['user', 'action'].map((name) => row.querySelector(`.${name}`)!.textContent).join(' ')));
  expect([...new Set(shown)].sort()).toEqual(
    ['alice.adler job.list', 'alice.adler minion.list', 'nobody job.list', 'nobody minion.list'].filter((pair) => shown.includes(pair)),
  );
  expect(shown).toContain('nobody minion.list');
  const left = await since(server, begin);
  expect(left.filter((row) => row.action === 'audit.actions')).toHaveLength(1);
  expect(left.filter((row) => row.action === 'audit.list').at(-1)!.args.filter).toEqual({
    user_id_in: [expect.any(String), null],
    action_in: ['minion.list', 'job.list'],
  });
  await page.getByRole('button', { name: 'Export, copy…' }).click();
  await expect(page.getByRole('dialog')).toContainText('Exports select by one user, one action');
  await expect(page.getByRole('button', { name: 'Export', exact: true })).toHaveCount(0);
});

test('what no index knows is searched for', async ({ audit: page, server }) => {
  await makeUser(server, 'quentin', 'viewer', secret);
  const begin = await mark(server);
  await page.getByRole('button', { name: 'More fields' }).click();
  await accessible(page);
  await page.getByLabel('Text').pressSequentially('quentin');
  // It is asked once, after a pause.
  await expect(page.getByRole('list', { name: 'Filtered by' })).toContainText('Text: quentin');
  await settled(page);
  await expect(page.locator('.log .line').first()).toContainText('user.create');
  await expect(page.getByRole('status').filter({ hasText: 'has to be searched for' })).toBeVisible();
  await expect(page.locator('.count')).toContainText('of at least');
  expect((await since(server, begin)).filter((row) => row.args?.filter?.text).map((row) => row.args.filter)).toEqual([{ text: 'quentin' }]);
  await look(page, 'audit-search');
  await accessible(page);

  await page.getByLabel('Resource').fill('minion:web-0?');
  await page.keyboard.press('Enter');
  await page.getByLabel('Code').fill('9');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert').filter({ hasText: 'a code such as 404, or a range' })).toBeVisible();
  await accessible(page);
  await page.getByLabel('Code').fill('4xx');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'No entry matches so far' })).toBeVisible();
  await picture(page, 'audit-search-on');
  await page.getByRole('button', { name: 'Search on' }).click();
  await expect(page.getByRole('heading', { name: 'No entry matches', exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Remove Text: quentin' }).click();
  await expect(page).toHaveURL(`${server.url}/audit?resource=minion%3Aweb-0%3F&code=400-499`.replaceAll('%3A', ':'));
  await settled(page);
  for (const row of await page.locator('.log .line').all()) {
    await expect(row.locator('.resource')).toHaveText(/^minion:web-0\d$/);
    await expect(row.locator('.code')).toHaveText(/^4\d\d$/);
  }
  // From a row to the rows of its request.
  await page.locator('.log .line a').first().click();
  await page.locator('.facts').getByRole('link', { name: 'all of this request' }).click();
  await expect(page).toHaveURL(/\/audit\?request=made\+up/);
  await expect(page.locator('.log .line')).toHaveCount(1);
});

test('a jump lands where the filter has its rows', async ({ audit: page, server }) => {
  await page.goto('/audit?decision=deny&size=100');
  await settled(page);
  const newest = (await ids(page))[0]!;
  const begin = await mark(server);
  await page.keyboard.press('g');
  await page.getByRole('dialog').getByLabel('Entry').fill('30000');
  await page.keyboard.press('Enter');
  const focused = page.locator('.log .line a:focus');
  await expect(focused).toHaveAttribute('href', /^\/audit\/\d+\?/);
  const landed = Number(/\/audit\/(\d+)/.exec((await focused.getAttribute('href'))!)![1]);
  const { auditEntries } = await ask(server, '{ auditEntries(filter: { decision: DENY, asOf: 30000 }, limit: 1) { entries { id } } }');
  expect(landed).toBe(Number(auditEntries.entries[0].id));
  expect(landed).toBeLessThan(newest);
  const left = (await since(server, begin)).filter((row) => row.args?.limit !== 200);
  expect(left.slice(0, 2).map((row) => [row.action, row.args.filter.decision, row.args.limit])).toEqual([
    ['audit.list', 'deny', 1],
    ['audit.list', 'deny', 100],
  ]);
});

test('the picture counts what the table lists, and filters it', async ({ audit: page, server }) => {
  const begin = await mark(server);
  await page.getByRole('button', { name: 'Picture' }).click();
  const picture_ = page.getByRole('region', { name: 'Picture' });
  const drawn = picture_.getByRole('figure');
  await expect(picture_.getByRole('heading', { name: 'Resources' })).toBeVisible();
  const numbers = (text: string | null) => [...text!.matchAll(/[\d,]+(?= (?:allowed|denied))/g)].map(([digits]) => Number(digits.replaceAll(',', '')));
  const total = async () => Number((await page.locator('.count b').textContent())!.replace(/^.* of /, '').replaceAll(',', ''));
  const sums = async () => numbers(await drawn.locator('figcaption').textContent()).reduce((sum, count) => sum + count, 0);
  expect(await sums()).toBe(await total());
  expect(lines(await since(server, begin)).sort()).toEqual([
    'admin audit.facets audit:* ALLOW 200',
    'admin audit.facets audit:* ALLOW 200',
    'admin audit.facets audit:* ALLOW 200',
    'admin audit.stats audit:* ALLOW 200',
  ]);
  await accessible(page);

  // A further page is of the same entries: nothing is counted again.
  const paging = await mark(server);
  await page.keyboard.press('n');
  await expect(page.locator('.count')).toContainText('51 to 100 of');
  expect(lines(await since(server, paging))).toEqual(['admin audit.list audit:* ALLOW 200']);

  // Brushed: the times between which the pointer was drawn.
  const { x, y, width } = (await drawn.getByRole('img').boundingBox())!;
  await page.mouse.move(x + width * 0.25, y + 20);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.75, y + 40, { steps: 3 });
  await expect(drawn.locator('figcaption')).toContainText(/^From .* to /);
  await page.mouse.up();
  await expect(page.getByRole('list', { name: 'Filtered by' })).toContainText(/From: .*Before: /);
  await expect(page.locator('.count')).toContainText('1 to 50 of');
  await expect(picture_).toHaveAttribute('aria-busy', 'false');
  await settled(page);
  expect(await sums()).toBe(await total());

  // Picked: an action, a user, then a resource, each with the count that was promised.
  for (const [key, list] of [['Action', 1], ['User', 0]] as const) {
    const top = picture_.getByRole('list').nth(list).getByRole('listitem').first();
    const promised = Number((await top.locator('.much').textContent())!.replace(/ .*/, '').replaceAll(',', ''));
    await top.getByRole('button').click();
    await expect(page.getByRole('list', { name: 'Filtered by' })).toContainText(`${key}: `);
    await expect(picture_).toHaveAttribute('aria-busy', 'false');
    await settled(page);
    expect(await total()).toBe(promised);
    expect(await sums()).toBe(promised);
  }
  await page.mouse.move(0, 0);
  await picture(page, 'audit-picture');
  await page.emulateMedia({ colorScheme: 'dark' });
  await accessible(page);
  await page.keyboard.press('v');
  await expect(picture_).toHaveCount(0);
});

test('what matches nothing is said', async ({ audit: page }) => {
  await page.getByRole('combobox', { name: 'Action' }).fill('no.such.action');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'No entry matches' })).toBeVisible();
  await expect(page.locator('.count')).toContainText('none of 0');
  await accessible(page);
  await picture(page, 'audit-no-match');
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await settled(page);
});

test('the last answer wins', async ({ audit: page }) => {
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  await page.route('/graphql', async (route) => {
    // The answer to the first question comes after that to the second.
    if (route.request().postDataJSON().variables.filter?.decision === 'ALLOW') await held;
    await route.continue().catch(() => {}); // the page has hung up
  });
  await page.getByText('Allowed', { exact: true }).click();
  await page.getByText('Denied', { exact: true }).click();
  await expect(page.locator('.log[aria-busy="false"] .line').first()).toContainText('denied');
  const shown = await ids(page);
  release();
  await page.unroute('/graphql');
  await expect(page).toHaveURL(/decision=deny/);
  expect(await ids(page)).toEqual(shown);
});

test('an entry shows all that is recorded of it', async ({ audit: page, server, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
  const id = await makeUser(server, 'otto', 'viewer', secret);
  await ask(server, 'mutation Change($id: UUID!) { updateUser(id: $id, input: { displayName: "Otto", email: "otto@example.org" }) { id } }', { id });
  const begin = await mark(server);
  await page.getByRole('button', { name: 'Newest' }).click();
  await page.locator('.line', { hasText: 'user.update' }).filter({ hasText: 'user:otto' }).locator('.resource').click();

  const drawer = page.getByRole('complementary', { name: 'Entry' });
  await expect(drawer).toContainText('Allowed by role admin: * *.');
  for (const fact of ['user:otto', 'manage_user', '127.0.0.1', 'user.update']) await expect(drawer).toContainText(fact);
  const changes = drawer.getByRole('table');
  await expect(changes.getByRole('row', { name: 'email null "otto@example.org"' })).toBeVisible();
  await expect(changes.getByRole('row', { name: 'display_name "" "Otto"' })).toBeVisible();
  await accessible(page);
  await picture(page, 'audit-entry');

  const copied = () => page.evaluate(() => navigator.clipboard.readText());
  await drawer.getByRole('button', { name: 'Copy link' }).click();
  await expect(drawer.getByRole('button', { name: 'Copied' })).toBeVisible();
  const link = await copied();
  expect(link).toMatch(new RegExp(`^${server.url}/audit/\\d+$`));
  await drawer.getByRole('button', { name: 'Copy arguments' }).click();
  await expect.poll(copied).toContain('"email": "otto@example.org"');

  // The permanent link, in another tab.
  const tab = await context.newPage();
  await tab.goto(link);
  await expect(tab.getByRole('complementary', { name: 'Entry' })).toContainText('user:otto');
  await expect(tab).toHaveTitle(/^Entry \d+ · halite$/);
  await tab.goto('/audit/99999999');
  await expect(tab.getByRole('complementary', { name: 'Entry' })).toContainText('The log has no such entry');
  await picture(tab, 'audit-no-entry');
  await tab.close();

  await drawer.getByRole('link', { name: 'all of this action' }).click();
  await expect(page).toHaveURL(`${server.url}/audit?action=user.update`);
  await settled(page);
  expect(new Set(await page.locator('.log .line .action').allTextContents())).toEqual(new Set(['user.update']));
  expect(lines(await since(server, begin)).filter((line) => line.includes('audit.get'))).toEqual([
    'admin audit.get audit:* ALLOW 200',
    'admin audit.get audit:* ALLOW 200',
    'admin audit.get audit:* ALLOW 404',
  ]);
});

test('an entry is proven in the browser', async ({ audit: page, server }) => {
  const verifier = /checked with (\S+)/.exec(server.output.join('\n'))![1]!;
  const id = await makeUser(server, 'petra', 'viewer', secret);
  await ask(server, 'mutation Change($id: UUID!) { updateUser(id: $id, input: { displayName: "Pé\\t\\"ra" }) { id } }', { id });
  await page.getByRole('button', { name: 'Newest' }).click();
  await page.locator('.line', { hasText: 'user.update' }).filter({ hasText: 'user:petra' }).locator('.resource').click();
  const proof = page.locator('.proof');
  // It may take until the next checkpoint.
  await expect(async () => {
    await proof.getByRole('button', { name: 'Verify' }).click();
    await expect(proof.getByRole('status')).toContainText('Sealed', { timeout: 1000 });
  }).toPass();
  await expect(proof).toContainText('whose signature was not checked');
  await proof.getByRole('textbox').fill('no key');
  await proof.getByRole('button', { name: 'Check' }).click();
  await expect(proof.getByRole('alert')).toContainText('name+hash+key');
  await accessible(page);
  const other = 'example.org/log+4e933303+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop';
  await proof.getByRole('textbox').fill(other);
  await proof.getByRole('button', { name: 'Check' }).click();
  await expect(proof).toContainText('not signed with the key you gave');
  await proof.getByRole('textbox').fill(verifier);
  await proof.getByRole('button', { name: 'Check' }).click();
  await expect(proof).toContainText('✓ Verified');
  await accessible(page);
  await proof.scrollIntoViewIfNeeded();
  await picture(page, 'audit-verified');

  // An answer that was changed on its way, in one letter of the reason.
  await page.route('/graphql', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace('"reason":"allowed', '"reason":"Allowed') });
  });
  const begin = await mark(server);
  await page.reload();
  await expect(page.locator('.facts')).toBeVisible();
  await proof.getByRole('button', { name: 'Verify' }).click();
  await expect(proof).toContainText('✕ Not verified');
  await expect(proof).toContainText('not the one that was sealed');
  await accessible(page);
  await proof.scrollIntoViewIfNeeded();
  await picture(page, 'audit-not-verified');
  // Hashes are for everybody here: asking for a proof leaves no row.
  expect(lines(await since(server, begin)).sort()).toEqual(['admin audit.get audit:* ALLOW 200', 'admin audit.list audit:* ALLOW 200']);
});

test('secrets and large numbers are shown as they are recorded', async ({ audit: page }) => {
  const { errors } = await page.request
    .post('/graphql', {
      headers: { 'Content-Type': 'application/json' },
      data: '{"query": "mutation { runCommand(input: { target: \\"web*\\", fun: \\"test.arg\\", kwargs: { password: \\"hunter2\\", n: 9007199254740993 } }) { jid } }"}',
    })
    .then((response) => response.json());
  expect(errors[0].extensions.code).toBe('SALT_UNAVAILABLE'); // no master is connected here
  await page.goto(`/audit/${errors[0].extensions.auditId}`);
  const drawer = page.getByRole('complementary', { name: 'Entry' });
  await expect(drawer).toContainText('Salt or the database could not be reached');
  await expect(drawer.locator('.tree')).toContainText('password: redacted');
  await expect(drawer.locator('.tree')).toContainText('n: 9007199254740993');
  expect(await page.content()).not.toContain('hunter2');
});
