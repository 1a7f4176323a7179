import { test as base, expect, type Page } from '@playwright/test';
import { join } from 'node:path';
import { signIn, startServer, type Server } from './server.mjs';

export { expect };

/**
 * Tests with a server of their own and a browser that can reach nothing else. A request to another origin, a breach of
 * the page's policy, or an exception in the page fails the test.
 */
export const test = base.extend<{ guard: void; signedIn: Page; audit: Page }, { rows: number; server: Server }>({
  /** With how many made-up rows the log of the server begins. */
  rows: [0, { option: true, scope: 'worker' }],
  server: [
    async ({ rows }, use) => {
      const server = await startServer(rows);
      await use(server);
      await server.stop();
    },
    { scope: 'worker', timeout: 90_000 },
  ],
  baseURL: async ({ server }, use) => use(server.url),
  guard: [
    async ({ context, server }, use) => {
      const faults: string[] = [];
      await context.route(
        (url) => url.origin !== server.url && !['data:', 'blob:'].includes(url.protocol),
        (route) => {
          faults.push(`request to ${route.request().url()}`);
          return route.abort();
        },
      );
      context.on('weberror', (error) => faults.push(`exception: ${error.error().message}`));
      context.on('console', (message) => {
        // The browser reports every refusal of the server, and the tests look at those themselves.
        const refusal = /^Failed to load resource: the server responded with a status of 4/.test(message.text());
        // So is every request while a test takes the network or the server away.
        const offline = /net::ERR_(INTERNET_DISCONNECTED|CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING)$/.test(message.text());
        if (message.type() === 'error' && !refusal && !offline) faults.push(`console: ${message.text()}`);
      });
      await use();
      expect(faults).toEqual([]);
    },
    { auto: true },
  ],
  /** GraphiQL with a session of admin. */
  signedIn: async ({ page, context, server }, use) => {
    await context.addCookies([session(server)]);
    await page.goto('/graphiql');
    await use(page);
  },
  /** The Audit page with a session of admin that is the page's own, with the newest entries. */
  audit: async ({ page, context, server }, use) => {
    const { cookie } = await signIn(server.url, 'admin', server.password);
    await context.addCookies([session({ ...server, cookie })]);
    await page.goto('/audit');
    await expect(page.locator('.log .line').first()).toBeVisible();
    await use(page);
  },
});

function session({ cookie, url }: Server): { name: string; value: string; url: string } {
  const end = cookie.indexOf('=');
  return { name: cookie.slice(0, end), value: cookie.slice(end + 1), url };
}

/** Saves what the page looks like, to be looked at. */
export async function look(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `e2e/screenshots/${name}.png`, animations: 'disabled' });
}

/** Saves a picture for the documentation, where the tests are run to take them. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS'] ?? 'e2e/screenshots';
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled', caret: 'hide' });
}
