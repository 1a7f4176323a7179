import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

/**
 * A fake Salt master of a test's own, seen through a line that can lose an answer.
 *
 * @typedef {object} Salt
 * @property {string} url where the master answers, through the line
 * @property {{ username: string, password: string, eauth: 'FILE', verify: boolean }} account who may do everything there
 * @property {(word: string) => void} loseAnswer the answer to the next request that has this word in it comes back to nobody
 * @property {() => Promise<void>} stop
 */

/**
 * Starts the master, bin/fake-salt beside the program named by HALITE_BIN.
 *
 * @returns {Promise<Salt>}
 */
export async function startSalt() {
  const program = process.env['HALITE_BIN'];
  if (!program) throw new Error('Set HALITE_BIN to the program to be tested.');
  const child = spawn(join(dirname(program), 'fake-salt'), ['-listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const [first] = /** @type {[string]} */ (await Promise.race([once(lines, 'line'), ended.then(() => Promise.reject(new Error('the fake Salt master did not start')))]));
  const master = new URL(/http:\/\/127\.0\.0\.1:\d+/.exec(first)?.[0] ?? '');

  /** @type {string | null} */
  let lost = null;
  const line = createServer(async (asked, answer) => {
    const chunks = [];
    for await (const chunk of asked) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const lose = lost !== null && body.includes(lost);
    if (lose) lost = null;
    const onward = request({ host: master.hostname, port: master.port, method: asked.method, path: asked.url, headers: asked.headers }, (response) => {
      if (lose) {
        response.resume();
        response.on('end', () => asked.socket.destroy());
        return;
      }
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    onward.on('error', () => asked.socket.destroy());
    onward.end(body);
  });
  line.listen(0, '127.0.0.1');
  await once(line, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (line.address());
  return {
    url: `http://127.0.0.1:${port}`,
    account: { username: 'peeradmin', password: 'admin-pw', eauth: 'FILE', verify: true },
    loseAnswer: (word) => {
      lost = word;
    },
    stop: async () => {
      line.closeAllConnections();
      line.close();
      child.kill('SIGTERM');
      await ended;
    },
  };
}
