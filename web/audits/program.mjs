import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The password of the user admin. */
export const password = 'correct-horse-battery';

/**
 * A program that can be ended and started again where it was.
 *
 * @typedef {object} Program
 * @property {string} url where it answers, without a trailing slash
 * @property {(signal: NodeJS.Signals) => Promise<void>} restart ends it with a signal and starts it on the same data
 * @property {() => Promise<void>} stop ends it and removes its data
 */

/**
 * Starts the program named by HALITE_BIN on an empty database.
 *
 * @returns {Promise<Program>}
 */
export async function startProgram() {
  const file = process.env['HALITE_BIN'];
  if (!file) throw new Error('Set HALITE_BIN to the program to be tested.');
  const folder = await mkdtemp(join(tmpdir(), 'halite-audits-'));
  await chmod(folder, 0o755); // the database may run as another user
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    ...process.env,
    LISTEN_HOST: '127.0.0.1',
    LISTEN_PORT: String(port),
    DATABASE_URL: undefined, // a test never touches a database that somebody uses
    HALITE_DATA_DIR: join(folder, 'data'),
    BOOTSTRAP_ADMIN_PASSWORD: password,
    COOKIE_SECURE: 'false', // the connection is plain HTTP
  };
  const start = async () => {
    let output = '';
    const child = spawn(file, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    const ended = once(child, 'exit');
    const lost = ended.then(([code]) => Promise.reject(new Error(`the program ended with ${code}:\n${output}`)));
    lost.catch(() => {}); // of no interest once it is ready
    await Promise.race([lost, ready(url, AbortSignal.timeout(60_000))]);
    return { child, ended };
  };
  const end = async (/** @type {Awaited<ReturnType<typeof start>>} */ running, /** @type {NodeJS.Signals} */ signal) => {
    if (running.child.exitCode === null && running.child.signalCode === null) running.child.kill(signal);
    await running.ended;
  };
  let running = await start().catch(async (error) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  return {
    url,
    restart: async (signal) => {
      await end(running, signal);
      running = await start();
    },
    stop: async () => {
      await end(running, 'SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A port that is free and stays so: outgoing connections are given other ones. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer().listen(port, '127.0.0.1');
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
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
