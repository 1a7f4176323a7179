/** The signed-in user. */
export interface User {
  username: string;
  displayName: string;
  /** The server allows nothing but changing the password and signing out. */
  mustChangePassword: boolean;
}

/** The server refused or could not be reached; the message is fit to be shown. */
export class Refusal extends Error {
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Whose session this is, or null when there is none. Throws a Refusal for anything else. */
export async function currentUser(): Promise<User | null> {
  try {
    return toUser(await (await call('GET', '/api/auth/me')).json());
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) return null;
    throw error;
  }
}

/** Starts a session. Throws a Refusal: 401 for wrong credentials, 429 for too many attempts. */
export async function signIn(username: string, password: string): Promise<User> {
  return toUser(await (await call('POST', '/api/auth/login', { username, password })).json());
}

/** Ends the session; harmless without one. */
export async function signOut(): Promise<void> {
  await call('POST', '/api/auth/logout');
}

/** Sets a new password and ends the user's other sessions. Throws a Refusal: 401 without a session, 403 when current is wrong. */
export async function changePassword(current: string, next: string): Promise<void> {
  await call('POST', '/api/auth/change-password', { current_password: current, new_password: next });
}

async function call(method: string, path: string, body?: object): Promise<Response> {
  const init: RequestInit = { method, cache: 'no-store' };
  if (body) {
    init.headers = { 'Content-Type': 'application/json' };
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new Refusal(0, 'The server could not be reached. Check the connection and try again.');
  }
  if (!response.ok) throw new Refusal(response.status, await explain(response));
  return response;
}

/** The reason in an error answer: a sentence, a list of faults by field, or nothing that can be read. */
async function explain(response: Response): Promise<string> {
  const wait = Number(response.headers.get('Retry-After'));
  if (response.status === 429 && wait > 0) {
    return `Too many attempts. Try again in ${wait} second${wait === 1 ? '' : 's'}.`;
  }
  const body: unknown = await response.json().catch(() => null);
  const detail = (body as { detail?: unknown } | null)?.detail;
  if (typeof detail === 'string') return detail.replace(/\.?$/, '.');
  if (Array.isArray(detail)) {
    return detail.map((fault: { loc: string[]; msg: string }) => `${fault.loc.at(-1)}: ${fault.msg}`).join('\n');
  }
  return `The server answered ${response.status}. Try again later.`;
}

interface UserOut {
  username: string;
  display_name: string;
  must_change_pw: boolean;
}

function toUser(out: UserOut): User {
  return { username: out.username, displayName: out.display_name, mustChangePassword: out.must_change_pw };
}
