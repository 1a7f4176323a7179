// Measures what the Audit page waits for in a log of ROWS (10,000,000) made-up entries: the first view, a filter, a jump to the
// middle, a change of the range, and the picture, ROUNDS (15) times each. Prints for each request of a step how long the server took,
// from the last byte of the question to the first of the answer, and fails if the slowest median is 200 ms or more.
//
// It starts the program named by HALITE_BIN, and takes the minutes that it takes to make the rows up.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from '@playwright/test';
import { signIn, startServer } from '../e2e/server.mjs';

const rows = Number(process.env['ROWS'] ?? 10_000_000);
const rounds = Number(process.env['ROUNDS'] ?? 15);
const most = 200;

const metrics = (process.env['METRICS_ADDRESS'] = `127.0.0.1:${await freePort()}`);
const server = await startServer(rows);
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: process.getuid?.() === 0 ? ['--no-sandbox', '--disable-gpu'] : ['--disable-gpu'],
});
try {
  while ((await metric('halite_rank_index_lag_entries')) > 2000 || (await metric('halite_tree_size_entries')) < rows) await sleep(1000);
  const users = await frequent();
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const { cookie } = await signIn(server.url, 'admin', server.password);
  const end = cookie.indexOf('=');
  await context.addCookies([{ name: cookie.slice(0, end), value: cookie.slice(end + 1), url: server.url }]);
  const page = await context.newPage();
  /** @type {[string, number][]} */
  let took = [];
  page.on('requestfinished', (request) => {
    if (!request.url().endsWith('/graphql')) return;
    const { requestStart, responseStart } = request.timing();
    took.push([/query (\w+)/.exec(request.postData() ?? '')?.[1] ?? '?', responseStart - requestStart]);
  });
  const settled = async () => {
    await page.locator('.log[aria-busy="false"] .line').first().waitFor();
    await page.waitForFunction(() => !document.querySelector('.picture[aria-busy="true"]'));
    await page.waitForLoadState('networkidle');
  };
  const open = async (path = '/audit') => {
    await page.goto(server.url + path);
    await settled();
    took = [];
  };

  await open();
  console.log(`${await page.locator('.count').innerText()}; milliseconds, median (slowest) of ${rounds}`);
  const last = Number(/of ([\d,]+)/.exec(await page.locator('.count').innerText())?.[1]?.replaceAll(',', ''));
  await step('the first view', async () => {
    await page.goto(`${server.url}/audit`);
  });
  await step('a decision', async () => {
    await open();
    await page.getByText('Denied', { exact: true }).click();
    await page.waitForURL(/decision=/);
  });
  await step('a user', async (round) => {
    await open();
    await page.goto(`${server.url}/audit?user=${users[round % users.length]}`);
  });
  await step('an action', async (round) => {
    await open();
    await page.goto(`${server.url}/audit?action=${['auth.login', 'key.accept', 'job.test.ping'][round % 3]}`);
  });
  await step('a jump to the middle', async (round) => {
    await open();
    await page.getByRole('textbox', { name: 'Page' }).fill(String(Math.floor(last / 100) + round));
    await page.keyboard.press('Enter');
    await page.waitForURL(/page=/);
  });
  await step('a change of the range', async (round) => {
    await open();
    await page.getByLabel('Range').selectOption(['Last 7 days', 'Last 30 days'][round % 2] ?? null);
    await page.waitForURL(/since=/);
  });
  await step('the picture', async () => {
    await open();
    await page.keyboard.press('v');
    await page.locator('.picture table').first().waitFor({ state: 'attached' });
  });

  async function frequent() {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Cookie: server.cookie },
      body: JSON.stringify({ query: '{ auditFacets(field: USER, limit: 100) { values { value } } }' }),
    });
    const { data } = /** @type {{ data: { auditFacets: { values: { value: string | null }[] } } }} */ (await response.json());
    return data.auditFacets.values.flatMap(({ value }) => value ?? []).filter((_, index) => index % 30 === 0); // and rarer ones
  }

  /**
   * @param {string} name
   * @param {(round: number) => Promise<void>} act
   */
  async function step(name, act) {
    /** @type {Map<string, number[]>} */
    const all = new Map();
    for (let round = 0; round < rounds; round++) {
      took = [];
      await act(round);
      await settled();
      for (const [query, ms] of took) all.set(query, [...(all.get(query) ?? []), ms]);
    }
    if (all.size === 0) throw new Error(`${name}: nothing was asked`);
    const parts = [...all].map(([query, values]) => {
      values.sort((a, b) => a - b);
      const median = values[Math.floor(values.length / 2)] ?? NaN;
      if (median >= most) process.exitCode = 1;
      return `${query} ${median.toFixed(1)} (${values.at(-1)?.toFixed(1)})`;
    });
    console.log(`${name}: ${parts.join(', ')}`);
  }
} finally {
  await browser.close();
  await server.stop();
}

/** @param {string} name */
async function metric(name) {
  const text = await (await fetch(`http://${metrics}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  listener.close();
  return typeof address === 'object' && address ? address.port : 0;
}
