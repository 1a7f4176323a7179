import { GraphiQL, type GraphiQLProps } from 'graphiql';
import 'graphiql/setup-workers/vite';
import { useMemo } from 'react';
import { examples } from './examples.ts';
// The pieces of graphiql/style.css without its copy of the editor's styles and its embedded fonts.
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';

interface Props {
  /** Whose editor it is; tabs and history are kept in the browser for each user apart. */
  username: string;
  /** Counts sign-ins: the schema is asked for anew after each. */
  signIns: number;
  onUnauthenticated: () => void;
}

/** GraphiQL against this server's /graphql. It never sees a password: the session is a cookie that scripts cannot read. */
export default function Editor({ username, signIns, onUnauthenticated }: Props) {
  const fetcher = useMemo(() => fetcherFor(onUnauthenticated), [signIns, onUnauthenticated]);
  const tabs = useMemo(() => examples(new Date()), []);
  const storage = useMemo(() => storageOf(username), [username]);
  return (
    <GraphiQL
      fetcher={fetcher}
      storage={storage}
      defaultTabs={tabs}
      defaultQuery=""
      forcedTheme="system"
      isHeadersEditorEnabled={false}
      showPersistHeadersSettings={false}
    >
      <GraphiQL.Logo> </GraphiQL.Logo>
    </GraphiQL>
  );
}

/** Sends operations to /graphql; reports an answer that says the session has ended, and still shows it. */
function fetcherFor(onUnauthenticated: () => void): GraphiQLProps['fetcher'] {
  return async (operation) => {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json, application/json;q=0.9' },
      body: JSON.stringify(operation),
      cache: 'no-store',
    });
    const answer = await response.json().catch(() => null);
    const codes: unknown[] = (answer?.errors ?? []).map((error: { extensions?: { code?: unknown } }) => error.extensions?.code);
    if (response.status === 401 || codes.includes('UNAUTHENTICATED')) onUnauthenticated();
    if (answer === null) throw new Error(`The server answered ${response.status} without JSON.`);
    return answer;
  };
}

/** The part of the browser's storage that belongs to one user. */
function storageOf(username: string): NonNullable<GraphiQLProps['storage']> {
  const prefix = `halite:${username}:`;
  const keys = () => Object.keys(localStorage).filter((key) => key.startsWith(prefix));
  return {
    get length() {
      return keys().length;
    },
    getItem: (key) => localStorage.getItem(prefix + key),
    setItem: (key, value) => localStorage.setItem(prefix + key, value),
    removeItem: (key) => localStorage.removeItem(prefix + key),
    clear: () => keys().forEach((key) => localStorage.removeItem(key)),
  };
}
