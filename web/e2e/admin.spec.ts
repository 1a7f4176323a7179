import type { Page } from '@playwright/test';
import { accessible, ask, become, fits, lines, makeUser, mark, questions, since } from './audit.ts';
import { expect, look, picture, test as base } from './fixtures.ts';
import { startSalt, type Salt } from './salt.mjs';

// Every journey ends with a look at what it left in the log.

const test = base.extend<{ desk: Page }, { salt: Salt }>({
  salt: [
    async ({}, use) => {
      const salt = await startSalt();
      await use(salt);
      await salt.stop();
    },
    { scope: 'worker', timeout: 30_000 },
  ],
  /** A page with a session of admin that is its own. */
  desk: async ({ page, server }, use) => {
    await become(page, server, 'admin', server.password);
    await use(page);
  },
});

const secret = 'a-long-enough-password';

/** What the page says came of the last action, with its link to the log. */
const said = (page: Page) => page.locator('.said');

/** The id of the row that the page says the last action left. */
async function row(page: Page): Promise<number> {
  const href = await said(page).getByRole('link', { name: /^entry \d+$/ }).getAttribute('href');
  return Number(/^\/audit\/(\d+)$/.exec(href!)![1]);
}

/** Connects the server to the fake master, beside the page. */
async function connect(server: Parameters<typeof ask>[0], { url, account }: Salt) {
  await ask(server, 'mutation Connect($input: SaltSettingsInput!) { updateSaltSettings(input: $input) { updatedAt } }', { input: { url, ...account } });
}

test('a user is made, given a role, refused a bad address, and deleted', async ({ desk: page, server }) => {
  const begin = await mark(server);
  await page.goto('/admin/users');
  await expect(page.getByRole('link', { name: 'admin', exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'New user…' }).click();
  const form = page.getByRole('form', { name: 'New user' });
  await expect(form.getByLabel('User name')).toBeFocused();
  await form.getByLabel('User name').fill('ADMIN');
  await form.getByLabel('Password', { exact: true }).fill(secret);
  await form.getByRole('button', { name: 'Make the user' }).click();
  await expect(form.getByLabel('User name')).toHaveAccessibleDescription(/Username already exists/);
  await expect(form.getByLabel('User name')).toBeFocused();
  await expect(said(page)).toContainText('Not done Username already exists. CONFLICT Recorded as entry');

  await form.getByLabel('User name').fill('berta');
  await form.getByLabel('E-mail').fill('nonsense');
  await form.getByLabel('viewer').check();
  await form.getByRole('button', { name: 'Make the user' }).click();
  await expect(form.getByLabel('E-mail')).toHaveAccessibleDescription('Should be an e-mail address.');
  await picture(page, 'admin-users');
  await form.getByLabel('E-mail').fill('berta@example.org');
  await accessible(page);
  await form.getByRole('button', { name: 'Make the user' }).click();
  await expect(said(page)).toContainText('Made the user berta. Recorded as entry');
  const made = await row(page);
  await expect(form.getByLabel('Password', { exact: true })).toHaveValue('');

  await page.getByRole('link', { name: 'berta' }).click();
  await expect(page.getByRole('heading', { name: 'berta', exact: true })).toBeVisible();
  await page.getByLabel('Another role').selectOption('operator');
  await page.getByRole('button', { name: 'Give', exact: true }).click();
  await expect(said(page)).toContainText('Gave berta the role operator.');
  await page.getByRole('button', { name: 'Take away the role viewer' }).click();
  await expect(said(page)).toContainText('Took the role viewer from berta.');
  await page.getByLabel('Name to show').fill('Berta B.');
  await page.getByLabel('May sign in').uncheck();
  await page.getByRole('form', { name: 'Details' }).getByRole('button', { name: 'Save' }).click();
  await expect(said(page)).toContainText('Changed the user berta, who is signed out everywhere.');
  await expect(page.locator('.facts')).toContainText('inactive');
  await page.getByLabel('New password').fill('another-long-password');
  await page.getByRole('button', { name: 'Set the password' }).click();
  await expect(said(page)).toContainText('Set the password of berta');
  await page.getByLabel('Verb').fill('execute');
  await page.getByLabel('Resource').fill('salt:test.ping');
  await page.getByRole('button', { name: 'Ask', exact: true }).click();
  await expect(page.locator('.verdict')).toContainText('berta: execute on salt:test.ping denied');
  await accessible(page);
  await look(page, 'admin-user');

  await page.getByRole('button', { name: 'Delete the user…' }).click();
  await expect(page.getByRole('dialog', { name: 'Delete berta?' })).toContainText('What berta did stays in the log');
  await expect(page.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await look(page, 'admin-delete');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('button', { name: 'Delete the user…' })).toBeFocused();
  await page.getByRole('button', { name: 'Delete the user…' }).click();
  await page.getByRole('button', { name: 'Delete the user', exact: true }).click();
  await expect(said(page)).toContainText('Deleted the user berta.');
  expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe('/admin/users');
  await expect(page.getByRole('link', { name: 'berta' })).toHaveCount(0);

  const left = await since(server, begin);
  expect(lines(left)).toEqual([
    'admin user.list user:* ALLOW 200',
    'admin role.list role:* ALLOW 200',
    'admin user.create user:ADMIN ALLOW 409',
    'admin user.create user:berta ALLOW 422',
    'admin user.create user:berta ALLOW 201',
    'admin user.role_add user:berta ALLOW 201',
    'admin user.role_remove user:berta ALLOW 204',
    'admin user.update user:berta ALLOW 200',
    'admin user.password_reset user:berta ALLOW 204',
    'admin policy.explain user:berta ALLOW 200',
    'admin user.delete user:berta ALLOW 204',
  ]);
  expect(left[4]!.id).toBe(made);
  expect(JSON.stringify(left)).not.toContain(secret);
  expect(JSON.stringify(left)).not.toContain('another-long-password');
});

test('a role is made of pairs, asked about, and deleted', async ({ desk: page, server }) => {
  const begin = await mark(server);
  await page.goto('/admin/roles');
  await page.getByRole('button', { name: 'New role…' }).click();
  await page.getByLabel('Name', { exact: true }).fill('keeper');
  await page.getByLabel('What for').fill('Accepts the keys of web servers.');
  await page.getByRole('button', { name: 'Make the role' }).click();
  await expect(said(page)).toContainText('Made the role keeper.');
  await expect(page.getByRole('heading', { name: 'keeper' })).toBeVisible();
  await page.getByLabel('Verb').fill('accept');
  await page.getByRole('button', { name: 'Give', exact: true }).click();
  await expect(page.getByLabel('Resource')).toHaveAccessibleDescription('Should have 1 to 255 characters.');
  await page.getByLabel('Resource').fill('key:web-*');
  await page.getByRole('button', { name: 'Give', exact: true }).click();
  await expect(said(page)).toContainText('Gave keeper accept on key:web-*.');
  await expect(page.getByLabel('Verb')).toHaveValue('');
  await accessible(page);
  await picture(page, 'admin-roles');
  await page.getByRole('link', { name: 'All roles' }).click();
  await expect(page.getByRole('row', { name: /keeper/ })).toContainText('accept on key:web-*');
  await accessible(page);

  // About oneself no row is left, about another one is.
  await page.getByLabel('Verb').fill('accept');
  await page.getByLabel('Resource').fill('key:web-1');
  await page.getByRole('button', { name: 'Ask', exact: true }).click();
  await expect(page.locator('.verdict')).toContainText('admin: accept on key:web-1 allowed');
  await expect(said(page).getByRole('link')).toHaveCount(0);
  await makeUser(server, 'wanda', 'viewer', secret);
  const asked = await mark(server);
  await page.getByRole('button', { name: 'About somebody else…' }).click();
  await page.getByLabel('User', { exact: true }).selectOption('wanda');
  await page.getByRole('button', { name: 'Ask', exact: true }).click();
  await expect(page.locator('.verdict')).toContainText('wanda: accept on key:web-1 denied');
  expect(lines(await since(server, asked))).toEqual(['admin user.list user:* ALLOW 200', 'admin policy.explain user:wanda ALLOW 200']);

  await page.getByRole('link', { name: 'keeper' }).click();
  await page.getByRole('button', { name: 'Take away accept on key:web-*' }).click();
  await expect(said(page)).toContainText('Took accept on key:web-* from keeper.');
  await page.getByRole('button', { name: 'Delete the role…' }).click();
  await page.getByRole('button', { name: 'Delete the role', exact: true }).click();
  await expect(said(page)).toContainText('Deleted the role keeper.');
  const last = await row(page);

  const left = (await since(server, begin)).filter(({ action }) => action.startsWith('role.'));
  expect(lines(left)).toEqual([
    'admin role.list role:* ALLOW 200',
    'admin role.create role:keeper ALLOW 201',
    'admin role.permission_add role:keeper ALLOW 422',
    'admin role.permission_add role:keeper ALLOW 201',
    'admin role.list role:* ALLOW 200', // of the test itself, which makes wanda
    'admin role.permission_remove role:keeper ALLOW 204',
    'admin role.delete role:keeper ALLOW 204',
  ]);
  expect(left.at(-1)!.id).toBe(last);
});

test('the settings are tried, saved and tried again', async ({ desk: page, server, salt }) => {
  const begin = await mark(server);
  await page.goto('/admin/settings');
  await page.getByLabel('URL of salt-api').fill('salt.example.org');
  await page.getByLabel('Account', { exact: true }).fill(salt.account.username);
  await page.getByLabel('Who checks the account').selectOption('FILE');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByLabel('URL of salt-api')).toHaveAccessibleDescription(/Must be a URL such as/);
  await page.getByLabel('URL of salt-api').fill(salt.url);
  await page.getByRole('button', { name: 'Test what is typed' }).click();
  await expect(page.getByLabel('Password of the account')).toHaveAccessibleDescription(/Type the password/);
  await page.getByLabel('Password of the account').fill('wrong-password');
  await page.getByRole('button', { name: 'Test what is typed' }).click();
  await expect(said(page)).toContainText('Answer No connection: auth failed');
  await page.getByLabel('Password of the account').fill(salt.account.password);
  await page.getByRole('button', { name: 'Test what is typed' }).click();
  await expect(said(page)).toContainText('Answer The connection works: logged in. 3 minions are present. Recorded as entry');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(said(page)).toContainText('Saved the settings.');
  await expect(page.getByLabel('Password of the account')).toHaveValue('');
  await expect(page.getByLabel('Password of the account')).toHaveAccessibleDescription(/One is stored/);
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(said(page)).toContainText('Nothing to do');
  await page.getByRole('button', { name: 'Test what is stored' }).click();
  await expect(said(page)).toContainText('The connection works');
  await accessible(page);
  await picture(page, 'admin-settings');

  const left = await since(server, begin);
  expect(lines(left)).toEqual([
    'admin settings.get settings:salt ALLOW 200',
    'admin settings.salt.update settings:salt ALLOW 422',
    'admin settings.salt.test settings:salt ALLOW 200',
    'admin settings.salt.test settings:salt ALLOW 200',
    'admin settings.salt.update settings:salt ALLOW 200',
    'admin settings.salt.test settings:salt ALLOW 200',
  ]);
  expect(JSON.stringify(left)).not.toContain(salt.account.password);
});

test('a command runs, its returns are read, and it is killed', async ({ desk: page, server, salt }) => {
  await connect(server, salt);
  const begin = await mark(server);
  const asked = questions(page);
  await page.goto('/admin/run');
  await page.getByLabel('Target', { exact: true }).fill('web*');
  await page.getByLabel('Function').fill('test.ping');
  await page.getByLabel('Keyword arguments').fill('{');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByLabel('Keyword arguments')).toHaveAccessibleDescription(/Must be an object in JSON/);
  await page.getByLabel('Keyword arguments').fill('');
  await page.getByLabel('Arguments', { exact: true }).fill('one\nname=value');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByLabel('Arguments', { exact: true })).toHaveAccessibleDescription(/Line 2: Looks like a keyword argument/);
  await page.getByLabel('Arguments', { exact: true }).fill('');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(said(page)).toContainText(/Sent test\.ping to 2 minions as job \d{20}\. Recorded as entry \d+/);
  const ping = await row(page);
  await page.getByRole('button', { name: 'Read the returns' }).click();
  await expect(page.getByText('2 of 2 have returned.')).toBeVisible();
  await expect(page.getByRole('row', { name: /web1/ })).toContainText('true');
  const jid = new URL(page.url()).searchParams.get('job')!;
  await accessible(page);
  await picture(page, 'admin-run');

  // On every minion it asks first.
  await page.getByLabel('Target', { exact: true }).fill('*');
  await page.getByLabel('Function').fill('test.sleep');
  await page.getByLabel('Arguments', { exact: true }).fill('600');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('dialog', { name: 'Run test.sleep on every minion?' }).getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('button', { name: 'Run on every minion' }).click();
  await expect(said(page)).toContainText('Sent test.sleep to 3 minions');
  const sleeping = new URL(page.url()).searchParams.get('job')!;
  await page.getByRole('button', { name: 'Kill the job…' }).click();
  await page.getByRole('button', { name: 'Kill the job', exact: true }).click();
  await expect(said(page)).toContainText(`Killed the job ${sleeping}.`);

  // A link to a job shows it.
  await page.goto(`/admin/run?job=${jid}`);
  await expect(page.getByText('2 of 2 have returned.')).toBeVisible();
  await page.getByRole('button', { name: 'Read the latest jobs' }).click();
  await page.getByRole('link', { name: sleeping }).click();
  await expect(page.getByText('0 of 3 have returned.')).toBeVisible();

  const left = await since(server, begin);
  expect(lines(left)).toEqual([
    'admin salt.run salt:test.ping ALLOW 422',
    'admin salt.run salt:test.ping ALLOW 202',
    `admin job.get job:${jid} ALLOW 200`,
    'admin salt.run salt:test.sleep ALLOW 202',
    `admin job.kill job:${sleeping} ALLOW 202`,
    `admin job.get job:${jid} ALLOW 200`,
    'admin job.list job:* ALLOW 200',
    `admin job.get job:${sleeping} ALLOW 200`,
  ]);
  expect(left[1]!.id).toBe(ping);
  expect(asked().filter((name) => name === 'Held')).toHaveLength(2);
});

test('a lost answer is said to be one', async ({ desk: page, server, salt }) => {
  await connect(server, salt);
  const begin = await mark(server);
  await page.goto('/admin/run');
  await page.getByLabel('Target', { exact: true }).fill('db1');
  await page.getByLabel('Function').fill('test.version');
  salt.loseAnswer('test.version');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(said(page)).toContainText('Outcome unknown');
  await expect(said(page)).toContainText('It may or may not have been sent.');
  await expect(said(page)).toContainText('No entry says so yet');
  const jid = /job (\d{20}) runs/.exec((await said(page).textContent())!)![1];
  await said(page).getByRole('link', { name: 'see the open intents' }).click();
  await expect(page.getByLabel('Target', { exact: true })).toHaveValue('db1');
  await expect(page.getByRole('region', { name: 'Open intents' })).toBeFocused();
  await expect(page.locator('#intents table')).toContainText(`salt.run salt:test.version job ${jid}`);
  await accessible(page);
  await picture(page, 'admin-unknown');

  // There is no row of it: neither that it was sent, nor that it was not.
  expect(lines(await since(server, begin))).toEqual(['admin intent.list audit:* ALLOW 200']);
  const { openIntents } = await ask(server, '{ openIntents { saltJid } }');
  expect(openIntents).toEqual([{ saltJid: jid }]);
});

test('a key whose answer was lost leads to its open intent, and what was not sent is said not to be', async ({ desk: page, server, salt }) => {
  await connect(server, salt);
  await page.goto('/admin/keys');
  await expect(page.getByRole('row', { name: /web3/ })).toBeVisible();
  salt.loseAnswer('key.accept');
  const begin = await mark(server);
  await page.getByRole('button', { name: 'Accept web3, pending' }).click();
  await expect(said(page)).toContainText('Outcome unknown');
  await expect(said(page)).toContainText('Until then do not send it again.');
  await said(page).getByRole('link', { name: 'see the open intents' }).click();
  await expect(page.locator('#intents table')).toContainText('key.accept key:web3');
  expect(lines(await since(server, begin))).toEqual(['admin intent.list audit:* ALLOW 200']);

  await connect(server, { ...salt, url: 'http://127.0.0.1:1' });
  const after = await mark(server);
  await page.getByLabel('Target', { exact: true }).fill('web1');
  await page.getByLabel('Function').fill('test.ping');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(said(page)).toContainText(/Not done salt-api: unreachable.*SALT_UNAVAILABLE Recorded as entry/);
  const left = await since(server, after);
  expect(lines(left)).toEqual(['admin salt.run salt:test.ping ALLOW 503']);
  expect(left[0]!.id).toBe(await row(page));
});

test('without a connection to Salt the keys say so', async ({ desk: page, server }) => {
  await ask(server, 'mutation { updateSaltSettings(input: { url: null }) { updatedAt } }');
  const begin = await mark(server);
  await page.goto('/admin/keys');
  await expect(page.getByRole('alert')).toContainText('Salt is not configured: the settings need url, username and password. SALT_UNAVAILABLE');
  const left = await since(server, begin);
  expect(lines(left)).toEqual(['admin key.list key:* ALLOW 503']);
  await expect(page.getByRole('alert').getByRole('link', { name: /^entry/ })).toHaveAttribute('href', `/audit/${left[0]!.id}`);
  await accessible(page);
  await page.getByRole('alert').getByRole('link', { name: 'Settings' }).click();
  await expect(page.getByLabel('URL of salt-api')).toBeVisible();
});

test('keys are accepted, rejected and deleted by the keyboard alone', async ({ desk: page, server, salt }) => {
  await connect(server, salt);
  const begin = await mark(server);
  await page.goto('/admin/keys');
  await expect(page.getByRole('row', { name: /cache1/ })).toContainText('pending');
  await picture(page, 'admin-keys');
  await accessible(page);
  const tab = async (name: string | RegExp) => {
    const wanted = page.getByRole('button', { name });
    for (let steps = 0; steps < 60; steps++) {
      await page.keyboard.press('Tab');
      if (await wanted.evaluate((element) => element === document.activeElement)) return;
    }
    throw new Error(`no way by Tab to ${name}`);
  };
  await tab('Accept cache1, pending');
  await page.keyboard.press('Enter');
  await expect(said(page)).toContainText('Accepted the key of cache1.');
  await expect(said(page)).toBeFocused();
  await expect(page.getByRole('row', { name: /cache1/ })).not.toContainText('pending');
  await tab('Reject build1, pending');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'Reject build1?' })).toContainText('no command reaches it');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(said(page)).toContainText('Rejected the key of build1.');
  await tab('Delete old1, rejected');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(said(page)).toContainText('Deleted the keys of old1.');
  await expect(page.getByRole('row', { name: /old1/ })).toHaveCount(0);

  const left = await since(server, begin);
  expect(lines(left)).toEqual([
    'admin key.list key:* ALLOW 200',
    'admin key.accept key:cache1 ALLOW 204',
    'admin key.list key:* ALLOW 200',
    'admin key.reject key:build1 ALLOW 204',
    'admin key.list key:* ALLOW 200',
    'admin key.delete key:old1 ALLOW 204',
    'admin key.list key:* ALLOW 200',
  ]);
});

test('what is missing is said, and nothing that would be refused is offered', async ({ page, server }) => {
  const { createRole } = await ask(server, 'mutation { createRole(name: "pinger") { id } }');
  const give = (verb: string, resource: string) =>
    ask(server, 'mutation Give($id: UUID!, $verb: String!, $resource: String!) { addPermission(roleId: $id, verb: $verb, resourceGlob: $resource) { id } }', { id: createRole.id, verb, resource });
  await give('execute', 'salt:test.ping');
  await give('view', 'user:*');
  await makeUser(server, 'paul', 'pinger', secret);
  await become(page, server, 'paul', secret);
  const begin = await mark(server);
  await page.goto('/admin');
  await expect(page).toHaveURL(/\/admin\/users$/);
  await expect(page.getByRole('navigation', { name: 'Administration' }).getByRole('link')).toHaveText(['Users', 'Run a command']);
  await expect(page.getByRole('row', { name: /paul/ })).toBeVisible();
  await expect(page.getByRole('button', { name: 'New user…' })).toHaveCount(0);
  await page.goto('/admin/keys');
  await expect(page.getByRole('heading', { name: 'You may not read the keys' })).toBeVisible();
  await expect(page.getByRole('alert')).toContainText('It needs the permission view on key:*');
  const refusal = await page.getByRole('alert').getByRole('link', { name: /^entry/ }).getAttribute('href');
  await accessible(page);
  await page.goto('/admin/run');
  await page.getByLabel('Target', { exact: true }).fill('web1');
  await page.getByLabel('Function').fill('cmd.run');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(said(page)).toContainText('Refused It needs the permission execute on salt:cmd.run, which you do not hold. FORBIDDEN Recorded as entry');
  const denied = await row(page);

  const left = await since(server, begin);
  expect(lines(left)).toEqual(['paul user.list user:* ALLOW 200', 'paul key.list key:* DENY 403', 'paul salt.run salt:cmd.run DENY 403']);
  expect(refusal).toBe(`/audit/${left[1]!.id}`);
  expect(denied).toBe(left[2]!.id);
});

test('somebody without any permission is told so, without a row', async ({ page, server }) => {
  await ask(server, 'mutation { createRole(name: "nothing") { id } }');
  await makeUser(server, 'norma', 'nothing', secret);
  await become(page, server, 'norma', secret);
  const begin = await mark(server);
  await page.goto('/admin');
  await expect(page.getByText('Nothing here is of use to you')).toBeVisible();
  await accessible(page);
  expect(lines(await since(server, begin))).toEqual([]);
});

test('a session ends in the middle of a form, and the form is there after it', async ({ desk: page, server, context }) => {
  await page.goto('/admin/roles');
  await expect(page.getByRole('row', { name: /viewer/ })).toBeVisible();
  await page.getByRole('button', { name: 'New role…' }).click();
  await page.getByLabel('Name', { exact: true }).fill('late');
  await context.clearCookies();
  const begin = await mark(server);
  await page.getByRole('button', { name: 'Make the role' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in again' })).toBeVisible();
  await page.getByLabel('Password', { exact: true }).fill(server.password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(said(page)).toContainText('Refused Your session had ended. Sign in, and do it again. UNAUTHENTICATED Recorded as entry');
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('late');
  await page.getByRole('button', { name: 'Make the role' }).click();
  await expect(said(page)).toContainText('Made the role late.');

  // So it is with what is read: it is there as soon as somebody is.
  await context.clearCookies();
  await page.goto('/admin/roles');
  await page.getByLabel('User name').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(server.password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('link', { name: 'late', exact: true })).toBeVisible();
  await context.clearCookies();
  await page.getByRole('button', { name: 'Read again' }).click();
  await page.getByLabel('Password', { exact: true }).fill(server.password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'late', exact: true })).toBeVisible();
  expect(lines(await since(server, begin))).toEqual([
    'nobody role.create role:late DENY 401',
    'admin auth.login user:admin ALLOW 200',
    'admin role.create role:late ALLOW 201',
    'admin auth.login user:admin ALLOW 200',
    'admin role.list role:* ALLOW 200',
    'nobody role.list role:* DENY 401',
    'admin auth.login user:admin ALLOW 200',
    'admin role.list role:* ALLOW 200',
  ]);
});

test('signing in with a given password leads where the link led', async ({ page, server }) => {
  await makeUser(server, 'gina', 'admin', 'given-by-somebody', true);
  const begin = await mark(server);
  await page.goto('/admin/settings');
  await page.getByLabel('User name').fill('gina');
  await page.getByLabel('Password', { exact: true }).fill('given-by-somebody');
  await page.keyboard.press('Enter');
  await page.getByLabel('Current password').fill('given-by-somebody');
  await page.getByLabel(/^New password(?! again)/).fill(secret);
  await page.getByLabel('New password again').fill(secret);
  await page.keyboard.press('Enter');
  await expect(page.getByLabel('URL of salt-api')).toBeVisible();
  expect(new URL(page.url()).pathname).toBe('/admin/settings');
  expect(lines(await since(server, begin))).toEqual([
    'gina auth.login user:gina ALLOW 200',
    'gina auth.change_password user:gina ALLOW 204',
    'gina settings.get settings:salt ALLOW 200',
  ]);
});

test('the server is gone for a while', async ({ desk: page, server, context }) => {
  await page.goto('/admin/roles');
  await expect(page.getByRole('row', { name: /viewer/ })).toBeVisible();
  await context.setOffline(true);
  const begin = await mark(server);
  await page.getByRole('button', { name: 'Read again' }).click();
  await expect(page.getByRole('alert')).toContainText('The server does not answer.');
  await expect(page.getByRole('row', { name: /viewer/ })).toBeVisible();
  await page.getByRole('button', { name: 'New role…' }).click();
  await page.getByLabel('Name', { exact: true }).fill('unsent');
  await page.getByRole('button', { name: 'Make the role' }).click();
  await expect(said(page)).toContainText('Outcome unknown The server does not answer. It may or may not have been done: if it was, the log has its entry.');
  await accessible(page);
  await context.setOffline(false);
  // It is asked again until it is there.
  await expect(page.getByRole('alert')).toHaveCount(0, { timeout: 20_000 });
  expect(lines(await since(server, begin))).toEqual(['admin role.list role:* ALLOW 200']);
});

test('more users than a page holds are turned over', async ({ desk: page, server }) => {
  const { users } = await ask(server, '{ users { total } }');
  for (let n = users.total; n < 53; n++) await makeUser(server, `zoe${String(n).padStart(3, '0')}`, 'viewer', secret);
  await page.goto('/admin/users');
  await expect(page.getByText('Page 1 of 2')).toBeVisible();
  await expect(page.locator('tbody tr')).toHaveCount(50);
  const begin = await mark(server);
  await page.getByRole('link', { name: 'Next' }).click();
  await expect(page.locator('tbody tr')).toHaveCount(3);
  await page.getByRole('link', { name: 'zoe052' }).click();
  await expect(page.getByRole('heading', { name: 'zoe052', exact: true })).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(/\/admin\/users\?page=2$/);
  await expect(page.locator('tbody tr')).toHaveCount(3);
  const left = lines(await since(server, begin));
  // The list knows the user already; the roles are asked for, to give him others.
  expect(left.filter((line) => !line.includes('role.list'))).toEqual(['admin user.list user:* ALLOW 200']);
  // A link to a user asks for him alone.
  await page.getByRole('link', { name: 'zoe052' }).click();
  await page.reload();
  await expect(page.getByRole('heading', { name: 'zoe052', exact: true })).toBeVisible();
  expect(lines(await since(server, begin))).toContain('admin user.get user:zoe052 ALLOW 200');
});

test('nothing is asked again by itself', async ({ desk: page, server, context }) => {
  await page.clock.install();
  await page.goto('/admin/users');
  await expect(page.getByRole('link', { name: 'admin', exact: true })).toBeVisible();
  const begin = await mark(server);
  await page.clock.runFor('04:00:00');
  const other = await context.newPage();
  await other.goto('/favicon.svg');
  await page.bringToFront();
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  // Back and forth shows what was read.
  await page.getByRole('link', { name: 'Roles' }).click();
  await expect(page.getByRole('row', { name: /viewer/ })).toBeVisible();
  await page.goBack();
  await expect(page.getByRole('link', { name: 'admin', exact: true })).toBeVisible();
  expect(lines(await since(server, begin))).toEqual(['admin role.list role:* ALLOW 200']);
});

test('every part fits every window, in both schemes', async ({ desk: page, server, salt }) => {
  test.setTimeout(120_000);
  await connect(server, salt);
  const first = new Set<string>();
  let weight = 0;
  page.on('response', async (response) => {
    if (!response.url().endsWith('.js') || first.has(response.url())) return;
    first.add(response.url());
    weight += Number(response.headers()['content-length']);
  });
  for (const part of ['users', 'roles', 'settings', 'run', 'keys']) {
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.emulateMedia({ colorScheme: 'light' });
    await page.goto(`/admin/${part}`);
    await expect(page.locator(part === 'run' ? 'form' : '.read-at').first()).toBeVisible();
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const width of [320, 768, 1280, 2560]) {
        await page.setViewportSize({ width, height: 800 });
        await fits(page);
        expect(await page.locator('.desk').evaluate((desk) => desk.scrollWidth - desk.clientWidth)).toBeLessThanOrEqual(0);
        await page.screenshot({ path: `e2e/screenshots/admin-${part}-${width}-${scheme}.png` });
      }
      await accessible(page);
    }
  }
  expect(weight).toBeGreaterThan(50_000);
  expect(weight).toBeLessThan(120_000);
});
