// Follows the log of the program named by HALITE_BIN with the clients that people use (clients.mjs): entries come within a
// second of what caused them; after the program was killed, and after it was told to end, and started again, every client goes
// on without a gap or a repeat; who may not follow it, or no longer, is told so.
import { signIn } from '../e2e/server.mjs';
import { clients } from './clients.mjs';
import { password, startProgram } from './program.mjs';

let failed = 0;
/** @param {boolean} ok @param {string} what */
function check(ok, what) {
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${what}`);
  if (!ok) failed++;
}

/**
 * Waits until it is so, at most a minute.
 *
 * @param {string} what
 * @param {() => boolean | Promise<boolean>} done
 */
async function until(what, done) {
  for (const end = Date.now() + 60_000; !(await done()); await new Promise((resolve) => setTimeout(resolve, 20)))
    if (Date.now() > end) throw new Error(`not within a minute: ${what}`);
}

/** @param {string} what @param {Promise<string>} promise */
function soon(what, promise) {
  return Promise.race([promise, new Promise((resolve) => setTimeout(resolve, 60_000, `nothing within a minute of ${what}`).unref())]);
}

/**
 * Asks as admin.
 *
 * @param {string} query
 * @param {object} [variables]
 * @returns {Promise<{ data: any, id: number }>} the answer, and the id of the last row that it left
 */
async function ask(query, variables = {}) {
  const response = await fetch(`${program.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Cookie: admin },
    body: JSON.stringify({ query, variables }),
  });
  const answer = /** @type {{ data: any, errors?: unknown }} */ (await response.json());
  if (answer.errors) throw new Error(JSON.stringify(answer.errors));
  return { data: answer.data, id: Number(response.headers.get('X-Audit-Id')?.split(/\D+/).at(-1)) };
}

/**
 * Makes a user with a role and signs in.
 *
 * @param {string} role
 */
async function newUser(role) {
  const username = `follower-${++users}`;
  const { data } = await ask('mutation ($input: CreateUserInput!) { createUser(input: $input) { id } }', {
    input: { username, password, mustChangePassword: false, roleIds: [roles[role]] },
  });
  return { id: /** @type {string} */ (data.createUser.id), cookie: (await signIn(program.url, username, password)).cookie };
}

/** Leaves a row and says which. */
const change = () => ask('mutation ($name: String!) { createRole(name: $name) { id } }', { name: `role-${crypto.randomUUID()}` });

/**
 * How many rows there are of a user's streams.
 *
 * @param {string} user
 * @param {string} action
 */
const rows = async (user, action) =>
  /** @type {{ resultCode: number, decision: string }[]} */ (
    (await ask('query ($filter: AuditFilter) { auditEntries(filter: $filter) { entries { resultCode decision } } }', { filter: { userId: user, action } }))
      .data.auditEntries.entries
  );

let users = 0;
let admin = '';
/** @type {Record<string, string>} the ids, by name */
let roles = {};
const program = await startProgram();

/** Signs in, does what a first password asks for, and learns of the roles. */
async function prepare() {
  admin = (await signIn(program.url, 'admin', password)).cookie;
  await fetch(`${program.url}/api/auth/change-password`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Cookie: admin },
    body: JSON.stringify({ current_password: password, new_password: password }),
  });
  roles = Object.fromEntries((await ask('{ roles { id name } }')).data.roles.map((/** @type {any} */ role) => [role.name, role.id]));
}

/** Entries arrive in time, and all of them whatever happens to the server. */
async function follow() {
  const first = (await change()).id;
  /** @type {(() => void)[]} */
  const close = [];
  /** @type {{ name: string, user: { id: string }, ids: number[], came: Map<number, number>, end: () => string }[]} */
  const followers = [];
  for (const { name, open } of clients) {
    const user = await newUser('operator');
    /** @type {number[]} */
    const ids = [];
    /** @type {Map<number, number>} */
    const came = new Map();
    const { ended, close: leave } = open({
      url: program.url,
      cookie: user.cookie,
      after: String(first),
      seen: (id) => {
        ids.push(id);
        came.set(id, performance.now());
      },
    });
    let end = '';
    void ended.then((code) => (end = code));
    close.push(leave);
    followers.push({ name, user, ids, came, end: () => end });
  }
  /** @param {number} id */
  const allHave = (id) =>
    until(`entry ${id} at every client`, () => {
      for (const f of followers) if (f.end()) throw new Error(`${f.name} ended: ${f.end()}`);
      return followers.every((f) => (f.ids.at(-1) ?? 0) >= id);
    });
  await allHave((await change()).id);

  /** @type {Map<number, number>} */
  const caused = new Map();
  for (let n = 0; n < 11; n++) {
    const begun = performance.now();
    const { id } = await change();
    caused.set(id, begun);
    await allHave(id);
  }
  for (const f of followers) {
    const took = [...caused].map(([id, begun]) => (f.came.get(id) ?? Infinity) - begun).sort((a, b) => a - b);
    const median = took[5] ?? Infinity;
    check(median < 1000, `${f.name}: an entry comes within a second of the mutation, from its begin: median ${median.toFixed(0)} ms, at most ${took.at(-1)?.toFixed(0)} ms`);
  }

  const signals = /** @type {const} */ (['SIGKILL', 'SIGTERM', 'SIGKILL']);
  for (const [restarts, signal] of signals.entries()) {
    let writing = true;
    let written = 0;
    const writer = (async () => {
      while (writing) {
        await change().then(
          () => written++,
          () => {}, // it is away
        );
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    await until('entries before', () => written > 20);
    await program.restart(signal);
    const before = written;
    await until('entries after', () => written > before + 20);
    writing = false;
    await writer;
    await allHave((await change()).id);
    const streams = await Promise.all(followers.map((f) => rows(f.user.id, 'audit.stream')));
    check(streams.every((of) => of.length >= restarts + 2), `${signal}: every client came again`);
  }
  for (const f of followers) {
    const faults = f.ids.filter((id, i) => id !== first + 1 + i);
    check(faults.length === 0, `${f.name}: entries ${first + 1} to ${f.ids.at(-1)}, each once, over ${signals.length} restarts${faults.length ? `; not so from ${faults[0]} on` : ''}`);
  }
  for (const leave of close) leave();
  for (const f of followers)
    await until(`the last row of ${f.name}`, async () => (await rows(f.user.id, 'audit.stream.end')).some((row) => row.resultCode === 499));
  console.log('ok    each that left has its last row, audit.stream.end');
}

/** Who may not follow the log is told by the code that means it. */
async function refuse() {
  const viewer = await newUser('viewer');
  for (const { name, open, refused } of clients) {
    for (const [who, cookie, code] of /** @type {const} */ ([
      ['nobody', '', 'UNAUTHENTICATED'],
      ['who lacks the permission', viewer.cookie, 'FORBIDDEN'],
    ])) {
      const { ended, close } = open({ url: program.url, cookie, after: '0', seen: (id) => check(false, `${name}: ${who} is shown ${id}`) });
      const got = await soon('a refusal', ended);
      check(got === refused(code), `${name}: ${who} is told ${got}`);
      close();
    }
  }
}

/** Who loses the session or the permission is told, within the time in which it is looked at again. */
async function revoke() {
  /** @type {{ client: (typeof clients)[number], code: string, user: { id: string, cookie: string }, follower: import('./clients.mjs').Follower, seen: () => number }[]} */
  const following = [];
  for (const client of clients) {
    for (const code of ['FORBIDDEN', 'UNAUTHENTICATED']) {
      const user = await newUser('operator');
      let seen = 0;
      const follower = client.open({ url: program.url, cookie: user.cookie, after: '0', seen: () => seen++ });
      following.push({ client, code, user, follower, seen: () => seen });
    }
  }
  await until('every client sees entries', () => following.every((f) => f.seen() > 0));
  for (const { code, user } of following) {
    if (code === 'FORBIDDEN')
      await ask('mutation ($user: UUID!, $role: UUID!) { removeUserRole(userId: $user, roleId: $role) }', { user: user.id, role: roles['operator'] });
    else await fetch(`${program.url}/api/auth/logout`, { method: 'POST', headers: { Cookie: user.cookie } });
  }
  for (const { client, code, user, follower } of following) {
    const got = await soon('the end', follower.ended);
    const lost = code === 'FORBIDDEN' ? 'the permission' : 'the session';
    const [last] = await rows(user.id, 'audit.stream.end');
    check(
      got === client.ended(code) && last?.decision === 'DENY' && last.resultCode === (code === 'FORBIDDEN' ? 403 : 401),
      `${client.name}: who loses ${lost} is told ${got}; the row: ${last?.decision} ${last?.resultCode}`,
    );
    follower.close();
  }
}

try {
  await prepare();
  await follow();
  await refuse();
  await revoke();
} catch (error) {
  check(false, String(error));
} finally {
  await program.stop();
}
console.log(failed === 0 ? `${clients.length} clients, all well` : `${failed} failed`);
process.exit(failed > 0 ? 1 : 0); // a client may still be about to try again
