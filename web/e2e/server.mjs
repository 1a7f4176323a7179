import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

/** The password of the user admin on a server started here. */
const password = 'correct-horse-battery';

/**
 * A server of a test's own, on a free port, with an empty database and the user admin, who need not change his password.
 *
 * @typedef {object} Server
 * @property {string} url where it answers, without a trailing slash
 * @property {string} password the password of admin; whoever changes it writes the new one here
 * @property {string} cookie a session of admin, as name=value
 * @property {string[]} output what the program has said so far, by lines
 * @property {() => Promise<void>} halt ends it and leaves its data
 * @property {() => Promise<void>} resume starts it again, on its data and at its address
 * @property {() => Promise<void>} stop ends it and removes its data
 */

/**
 * Starts the program named by HALITE_BIN, on a log that begins with so many made-up rows. Resolves when it is ready to serve; rejects
 * with its output if it ends before.
 *
 * @param {number} [rows]
 * @returns {Promise<Server>}
 */
export async function startServer(rows = 0) {
  const program = process.env['HALITE_BIN'];
  if (!program) throw new Error('Set HALITE_BIN to the program to be tested.');
  const folder = await mkdtemp(join(tmpdir(), 'halite-e2e-'));
  await chmod(folder, 0o755); // the database may run as another user
  const env = {
    ...process.env,
    LISTEN_HOST: '127.0.0.1',
    LISTEN_PORT: '0',
    DATABASE_URL: undefined, // a test never touches a database that somebody uses
    HALITE_DATA_DIR: join(folder, 'data'),
    BOOTSTRAP_ADMIN_PASSWORD: password,
    COOKIE_SECURE: 'false', // the connection is plain HTTP
  };
  if (rows > 0) await promisify(execFile)(program, ['generate', '--rows', String(rows), '--months', '2'], { env });
  let process_ = run(program, env);
  const stop = async () => {
    await process_.halt();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { url, output } = await process_.announced;
    await ready(url, AbortSignal.timeout(60_000));
    const resume = async () => {
      process_ = run(program, { ...env, LISTEN_PORT: new URL(url).port });
      await process_.announced;
      await ready(url, AbortSignal.timeout(60_000));
    };
    return { url, password, cookie: await settle(url), output, halt: () => process_.halt(), resume, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Runs the program.
 *
 * @param {string} program
 * @param {NodeJS.ProcessEnv} env
 */
function run(program, env) {
  const child = spawn(program, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  const halt = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await ended;
    }
  };
  return { announced: announced(child, ended), halt };
}

/**
 * Signs in and returns the session as name=value.
 *
 * @param {string} url
 * @param {string} username
 * @param {string} secret
 * @returns {Promise<{ cookie: string, mustChange: boolean }>}
 */
export async function signIn(url, username, secret) {
  const response = await fetch(`${url}/api/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ username, password: secret }),
  });
  if (!response.ok) throw new Error(`signing in as ${username}: ${response.status} ${await response.text()}`);
  const cookie = (response.headers.getSetCookie()[0] ?? '').split(';')[0] ?? '';
  const user = /** @type {{ must_change_pw: boolean }} */ (await response.json());
  return { cookie, mustChange: user.must_change_pw };
}

/**
 * Does what a first password asks for, and returns a session.
 *
 * @param {string} url
 */
async function settle(url) {
  const { cookie, mustChange } = await signIn(url, 'admin', password);
  if (!mustChange) return cookie;
  const response = await fetch(`${url}/api/auth/change-password`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Cookie: cookie },
    body: JSON.stringify({ current_password: password, new_password: password }),
  });
  if (!response.ok) throw new Error(`changing the first password: ${response.status} ${await response.text()}`);
  return cookie;
}

/**
 * The address that the program prints, and all that it prints.
 *
 * @param {import('node:child_process').ChildProcessByStdio<null, import('node:stream').Readable, import('node:stream').Readable>} child
 * @param {Promise<unknown[]>} ended
 * @returns {Promise<{ url: string, output: string[] }>}
 */
function announced(child, ended) {
  /** @type {string[]} */
  const output = [];
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    createInterface({ input: child.stderr }).on('line', (line) => output.push(line));
    createInterface({ input: child.stdout }).on('line', (line) => {
      output.push(line);
      const address = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
      if (address) resolve({ url: address[0], output });
    });
    ended.then(([code]) => reject(new Error(`the program ended with ${code}:\n${output.join('\n')}`)), reject);
  });
}

/**
 * Asks until the server says that it is ready.
 *
 * @param {string} url
 * @param {AbortSignal} signal
 */
async function ready(url, signal) {
  for (;;) {
    const response = await fetch(`${url}/readyz`, { signal }).catch((error) => {
      if (signal.aborted) throw error;
    });
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
