// The clients that people use, each following the log as its documentation says, from `after` on and through every lost
// connection, by the id of the last entry that it saw.
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { EventSource } from 'eventsource';
import { createClient as createSSEClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import WebSocket from 'ws';

/**
 * @typedef {object} Following
 * @property {string} url where the server is
 * @property {string} cookie a session, or nothing
 * @property {string} after the id of the entry behind which it begins
 * @property {(id: number) => void} seen called with the id of each entry that came
 */

/**
 * @typedef {object} Follower
 * @property {Promise<string>} ended why it was ended for good, by the code that this client is told
 * @property {() => void} close
 */

/** @typedef {(following: Following) => Follower} Open */

const query = 'subscription ($after: ID) { auditEntryAdded(after: $after) { id } }';

/** How long a client waits before it comes again, and how often. */
const pause = () => /** @type {Promise<void>} */ (new Promise((resolve) => setTimeout(resolve, 200)));
const attempts = 200;

/**
 * The variables of a subscription, read anew whenever it begins again.
 *
 * @param {Following} following
 */
function place(following) {
  let last = following.after;
  return {
    /** @param {unknown} data */
    took(data) {
      const entry = /** @type {{ auditEntryAdded?: { id: string } } | null | undefined} */ (data)?.auditEntryAdded;
      if (!entry) return;
      last = entry.id;
      following.seen(Number(entry.id));
    },
    variables: {
      get after() {
        return last;
      },
    },
  };
}

/**
 * The code of what a client calls an error: a list of GraphQL errors, an answer with another status than 200, or a failure.
 *
 * @param {any} error
 * @returns {string}
 */
function codeOf(error) {
  const errors = Array.isArray(error) ? error : (error?.graphQLErrors ?? error?.errors);
  if (errors?.length > 0) return String(errors[0].extensions?.code ?? errors[0].message);
  const response = error?.response;
  return response ? `status ${response.status}` : `failed: ${error?.message ?? error?.reason ?? error}`;
}

/** @param {string} url @param {string} cookie */
function socketClient(url, cookie) {
  class SignedIn extends WebSocket {
    /** @param {string} address @param {string | string[]} protocols */
    constructor(address, protocols) {
      super(address, protocols, { headers: { Cookie: cookie } });
    }
  }
  return createSocketClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: SignedIn,
    retryAttempts: attempts,
    retryWait: pause,
    shouldRetry: () => true, // a server that is away may be an error instead of a closed socket
  });
}

/** @type {Open} */
const graphqlWS = (following) => {
  const client = socketClient(following.url, following.cookie);
  const { variables, took } = place(following);
  const ended = new Promise((resolve) => {
    client.subscribe(
      { query, variables },
      { next: (result) => took(result.data), error: (error) => resolve(codeOf(error)), complete: () => resolve('complete') },
    );
  });
  return { ended, close: () => void client.dispose() };
};

/** @type {Open} */
const graphqlSSE = (following) => {
  const client = createSSEClient({
    url: `${following.url}/graphql`,
    headers: { Cookie: following.cookie },
    retryAttempts: attempts,
    retry: pause,
  });
  const { variables, took } = place(following);
  const ended = new Promise((resolve) => {
    let told = '';
    client.subscribe(
      { query, variables },
      {
        next: (result) => {
          if (result.errors) told = codeOf(result.errors);
          else took(result.data);
        },
        error: (error) => resolve(codeOf(error)),
        complete: () => resolve(told || 'complete'),
      },
    );
  });
  return { ended, close: () => client.dispose() };
};

/** @type {Open} */
const urqlOverSocket = (following) => {
  const socket = socketClient(following.url, following.cookie);
  const { variables, took } = place(following);
  const client = new Client({
    url: `${following.url}/graphql`,
    preferGetMethod: false,
    exchanges: [
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query: request.query ?? '', variables }, sink) }),
        }),
      }),
    ],
  });
  const ended = new Promise((resolve) => {
    client.subscription(query, {}).subscribe((result) => {
      if (result.error) resolve(codeOf(result.error));
      else took(result.data);
    });
  });
  return { ended, close: () => void socket.dispose() };
};

// urql by itself leaves it to its user to begin again.
/** @type {Open} */
const urqlOverSSE = (following) => {
  const client = new Client({
    url: `${following.url}/graphql`,
    preferGetMethod: false,
    fetchSubscriptions: true,
    fetchOptions: { headers: { Cookie: following.cookie } },
    exchanges: [fetchExchange],
  });
  const { variables, took } = place(following);
  let closed = false;
  let leave = () => {};
  const once = () =>
    /** @type {Promise<string>} */ (
      new Promise((resolve) => {
        const { unsubscribe } = client.subscription(query, { after: variables.after }).subscribe((result) => {
          if (result.error?.networkError) resolve('');
          else if (result.error) resolve(codeOf(result.error));
          else if (result.hasNext) took(result.data);
          else resolve(''); // the connection has ended; the data are those of the result before
        });
        leave = () => {
          unsubscribe();
          resolve('');
        };
      })
    );
  const ended = (async () => {
    for (;;) {
      const code = await once();
      leave();
      if (code !== '' || closed) return code;
      await pause();
    }
  })();
  return {
    ended,
    close: () => {
      closed = true;
      leave();
    },
  };
};

/** @type {Open} */
const eventSource = (following) => {
  const source = new EventSource(`${following.url}/api/audit/stream?after=${following.after}`, {
    fetch: (address, init) => fetch(address, { ...init, headers: { ...init.headers, Cookie: following.cookie } }),
  });
  source.addEventListener('message', (event) => following.seen(/** @type {{ id: number }} */ (JSON.parse(event.data)).id));
  const ended = new Promise((resolve) => {
    let told = '';
    source.addEventListener('end', (event) => {
      told = /** @type {{ code: string }} */ (JSON.parse(event.data)).code;
    });
    source.addEventListener('error', (event) => {
      if (source.readyState === EventSource.CLOSED) resolve([told, `status ${event.code}`].filter(Boolean).join(', then '));
    });
  });
  return { ended, close: () => source.close() };
};

const same = (/** @type {string} */ code) => code;
const status = (/** @type {string} */ code) => `status ${code === 'FORBIDDEN' ? 403 : 401}`;

/**
 * Each client with what it is told of a refusal and of an end, by the GraphQL code that it is.
 *
 * @type {{ name: string, open: Open, refused: (code: string) => string, ended: (code: string) => string }[]}
 */
export const clients = [
  { name: 'graphql-ws', open: graphqlWS, refused: same, ended: same },
  { name: 'graphql-sse', open: graphqlSSE, refused: same, ended: same },
  { name: 'urql over graphql-ws', open: urqlOverSocket, refused: same, ended: same },
  { name: 'urql over SSE', open: urqlOverSSE, refused: same, ended: same },
  { name: 'EventSource', open: eventSource, refused: status, ended: (/** @type {string} */ code) => `${code}, then ${status(code)}` },
];
