// Asks a server the questions of the GraphQL-over-HTTP audit suite, signed in, and prints each answer. Fails if a MUST or
// a SHOULD is not met.
//
// It starts the program named by HALITE_BIN; or, with HALITE_URL, it asks a running server as HALITE_USER (admin) with
// HALITE_PASSWORD.
import { serverAudits } from 'graphql-http';
import { signIn, startServer } from '../e2e/server.mjs';

const { HALITE_URL: url, HALITE_USER: username = 'admin', HALITE_PASSWORD: password = '' } = process.env;
const server = url
  ? { url, cookie: (await signIn(url, username, password)).cookie, stop: async () => {} }
  : await startServer();

const labels = { ok: 'ok  ', notice: 'info', warn: 'FAIL', error: 'FAIL' };
let failed = 0;
try {
  const audits = serverAudits({
    url: `${server.url}/graphql`,
    fetchFn: (/** @type {string} */ address, /** @type {RequestInit} */ init = {}) =>
      fetch(address, { ...init, headers: { .../** @type {object} */ (init.headers), Cookie: server.cookie } }),
  });
  for (const audit of audits) {
    const result = await audit.fn();
    console.log(`${labels[result.status]}  ${audit.id}  ${audit.name}${'reason' in result ? `: ${result.reason}` : ''}`);
    if (result.status === 'warn' || result.status === 'error') failed++;
  }
  console.log(`${audits.length} audits, ${failed} failed`);
} finally {
  await server.stop();
}
process.exitCode = failed > 0 ? 1 : 0;
