// Measures the script of the Audit page while it is live: entries are written at RATE (100) a second for MINUTES (10), and two
// tabs follow them, one where they come in and one that is paused, where they wait. Prints the JavaScript heap of each every half
// minute, as it is and after a garbage collection. Fails if a page holds more than 60 MB, misses an entry, or asks for anything else.
//
// It starts the program named by HALITE_BIN.
import { chromium } from '@playwright/test';
import { signIn, startServer } from '../e2e/server.mjs';

const rate = Number(process.env['RATE'] ?? 100);
const minutes = Number(process.env['MINUTES'] ?? 10);
const most = 60e6;
const perQuery = 10;

const server = await startServer();
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: process.getuid?.() === 0 ? ['--no-sandbox', '--disable-gpu'] : ['--disable-gpu'],
});
let failed = false;
try {
  const tabs = [await open('coming in'), await open('paused')];
  await tabs[1]?.page.getByRole('button', { name: 'Pause' }).click();

  const query = `{ ${Array.from({ length: perQuery }, (_, index) => `r${index}: roles { id }`).join(' ')} }`;
  const begin = Date.now();
  let written = 0;
  let asked = 0;
  /** @type {Promise<void>[]} */
  const writers = [];
  for (let next = begin, report = begin + 30_000; next < begin + minutes * 60_000; next += (1000 * perQuery) / rate) {
    await new Promise((resolve) => setTimeout(resolve, next - Date.now()));
    writers[asked++ % 8] = write(query);
    if (asked % 8 === 0) await Promise.all(writers);
    if (Date.now() >= report) {
      report += 30_000;
      await tell(begin, written);
    }
  }
  await Promise.all(writers);
  const last = (await total()) + 1; // the question's own entry, which comes last
  console.log(`${written} entries in ${((Date.now() - begin) / 1000).toFixed(0)} s`);
  await tabs[1]?.page.getByRole('button', { name: 'Resume' }).click();
  for (const { name, page } of tabs) {
    await page.mouse.move(0, 0);
    await page.locator('.count').getByText(`of ${last.toLocaleString('en-US')}`).waitFor();
    const ids = await page.locator('.log .line a').evaluateAll((links) => links.map((link) => Number(/\d+/.exec(link.getAttribute('href') ?? '')?.[0])));
    if (ids.some((id, index) => id !== last - index)) fail(`${name}: rows are missing: ${ids}`);
  }
  await tell(begin, written);
  for (const { name, requests } of tabs) if (requests.length > 0) fail(`${name}: asked for ${requests}`);

  /** @param {string} body */
  async function write(body) {
    await ask(body);
    written += perQuery;
  }

  /**
   * @param {number} since
   * @param {number} entries
   */
  async function tell(since, entries) {
    const parts = [];
    for (const { name, devtools } of tabs) {
      const found = await heap(devtools);
      await devtools.send('HeapProfiler.collectGarbage');
      const kept = await heap(devtools);
      if (found > most) fail(`${name}: ${found} bytes`);
      parts.push(`${name} ${(found / 1e6).toFixed(1)} MB, ${(kept / 1e6).toFixed(1)} MB after a collection`);
    }
    console.log(`${((Date.now() - since) / 60_000).toFixed(1)} min, ${entries} entries: ${parts.join('; ')}`);
  }
} finally {
  await browser.close();
  await server.stop();
}
process.exitCode = failed ? 1 : 0;

/** @param {string} why */
function fail(why) {
  failed = true;
  console.error(why);
}

/** @param {string} query */
async function ask(query) {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Cookie: server.cookie },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = /** @type {{ data: any, errors?: unknown }} */ (await response.json());
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

async function total() {
  return (await ask('{ auditEntries(limit: 1) { total } }')).auditEntries.total;
}

/** @param {import('@playwright/test').CDPSession} devtools */
async function heap(devtools) {
  const { metrics } = await devtools.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? NaN;
}

/**
 * A live page of its own process, and what it asks for from then on.
 *
 * @param {string} name
 */
async function open(name) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const { cookie } = await signIn(server.url, 'admin', server.password);
  const end = cookie.indexOf('=');
  await context.addCookies([{ name: cookie.slice(0, end), value: cookie.slice(end + 1), url: server.url }]);
  const page = await context.newPage();
  await page.goto(`${server.url}/audit?live=1`);
  await page.locator('.asof').getByText('live').waitFor();
  const devtools = await context.newCDPSession(page);
  await devtools.send('Performance.enable');
  /** @type {string[]} */
  const requests = [];
  page.on('request', (request) => requests.push(request.url()));
  return { name, page, devtools, requests };
}
