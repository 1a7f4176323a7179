import type { Page } from '@playwright/test';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type AxeCore from 'axe-core';
import { expect } from './fixtures.ts';
import { signIn, type Server } from './server.mjs';

/** A row of the log, as the tests look at it. */
export interface Row {
  id: number;
  username: string | null;
  action: string;
  resource: string;
  decision: 'ALLOW' | 'DENY';
  code: number;
  args: any;
}

/** Asks the server as admin, beside the page. */
export async function ask(server: Server, query: string, variables: object = {}): Promise<any> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Cookie: server.cookie },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: any; errors?: unknown };
  expect(errors).toBeUndefined();
  return data;
}

/** The id of the last row before this question, which leaves one itself. */
export async function mark(server: Server): Promise<number> {
  const { auditEntries } = await ask(server, '{ auditEntries(limit: 1) { entries { id } } }');
  return Number(auditEntries.entries[0].id) + 1;
}

/** The rows since a mark, the oldest first. */
export async function since(server: Server, begin: number): Promise<Row[]> {
  const { auditEntries } = await ask(
    server,
    '{ auditEntries(limit: 200) { entries { id username action resource decision code: resultCode args: argsJson } } }',
  );
  const rows = auditEntries.entries.map((row: Row & { id: string }) => ({ ...row, id: Number(row.id) })) as Row[];
  return rows.filter(({ id }) => id > begin).reverse();
}

/** The rows as lines: who, what, on what, and how it ended. */
export const lines = (rows: Row[]) =>
  rows.map((row) => `${row.username ?? 'nobody'} ${row.action} ${row.resource} ${row.decision} ${row.code}`);

/** Makes a user with a role. */
export async function makeUser(server: Server, username: string, role: string, password: string, mustChangePassword = false): Promise<string> {
  const { roles } = await ask(server, '{ roles { id name } }');
  const roleIds = roles.filter(({ name }: { name: string }) => name === role).map(({ id }: { id: string }) => id);
  const { createUser } = await ask(server, 'mutation Make($input: CreateUserInput!) { createUser(input: $input) { id } }', {
    input: { username, displayName: '', password, mustChangePassword, roleIds },
  });
  return createUser.id;
}

/** Gives the page's browser a session of a user. */
export async function become(page: Page, server: Server, username: string, password: string): Promise<void> {
  const { cookie } = await signIn(server.url, username, password);
  const end = cookie.indexOf('=');
  await page.context().addCookies([{ name: cookie.slice(0, end), value: cookie.slice(end + 1), url: server.url }]);
}

/** Waits until the page shows rows that it is not about to replace. */
export async function settled(page: Page): Promise<void> {
  await expect(page.locator('.log[aria-busy="false"] .line').first()).toBeVisible();
}

/** The ids of the rows that are in the table. */
export const ids = (page: Page) =>
  page.locator('.log .line a').evaluateAll((links) => links.map((link) => Number(/\/audit\/(\d+)/.exec((link as HTMLAnchorElement).href)![1])));

/** Counts the questions that the page asks of the server, from now on. */
export function questions(page: Page): () => string[] {
  const asked: string[] = [];
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname === '/graphql') asked.push(/(?:query|subscription) (\w+)/.exec(request.postData() ?? '')?.[1] ?? '?');
    else if (pathname.startsWith('/api/')) asked.push(pathname);
  });
  return () => asked;
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

declare const window: { axe: typeof AxeCore };

/** Fails for what axe finds against WCAG 2.2 AA. */
export async function accessible(page: Page): Promise<void> {
  await page.evaluate(axe); // the page's policy does not hold for what the debugger evaluates
  const { violations } = await page.evaluate(() =>
    window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
  );
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html}\n${failureSummary}`).join('\n')}`);
  expect(found).toEqual([]);
}

/** Fails if the page is wider than its window. */
export async function fits(page: Page): Promise<void> {
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
}

