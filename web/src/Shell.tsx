import { useCallback, useEffect, useRef, useState, type ReactNode } from 'react';
import { currentUser, signOut, type User } from './api.ts';
import { ChangePassword } from './ChangePassword.tsx';
import { SignIn } from './SignIn.tsx';
import { Wordmark } from './Wordmark.tsx';

/** What is known of the session. Undefined: not asked yet; null: there is none. */
type Session = User | null | undefined;

/** Whose page it is, and what it tells the shell. */
export interface Owner {
  username: string;
  /** Counts sign-ins: what was refused before the last is asked anew. */
  signIns: number;
  /** The server said that there is no session any more. */
  expire: () => void;
}

interface Props {
  page: 'audit' | 'admin' | 'graphiql';
  /** What stays when the session ends, as the form to sign in again says it. */
  kept: string;
  /** The page of the user who signed in. It stays mounted when the session ends, so that nothing is lost. */
  children: (owner: Owner) => ReactNode;
}

const pages = [
  { name: 'audit', path: '/audit', title: 'Log' },
  { name: 'admin', path: '/admin', title: 'Admin' },
  { name: 'graphiql', path: '/graphiql', title: 'GraphiQL' },
];

/** A header, the page below it, and over both whichever form is needed first. */
export function Shell({ page, kept, children }: Props) {
  const [session, setSession] = useState<Session>();
  const [signIns, setSignIns] = useState(0);
  const [changing, setChanging] = useState(false);
  const [notice, setNotice] = useState('');
  const owner = useRef<string>(undefined);

  const arrive = useCallback((user: User) => {
    if (owner.current !== undefined && owner.current !== user.username) {
      // Nothing of one user's work is left in memory for the next.
      location.reload();
      return;
    }
    if (!user.mustChangePassword) owner.current = user.username;
    setSession(user);
    setSignIns((count) => count + 1);
    setNotice('');
  }, []);

  const ask = useCallback(() => {
    currentUser().then(
      (user) => (user ? arrive(user) : setSession(null)),
      (error: Error) => setNotice(error.message),
    );
  }, [arrive]);

  useEffect(ask, [ask]);

  const expire = useCallback(() => {
    setChanging(false);
    setSession(null);
  }, []);

  // The session belongs to the browser: another tab may have ended it, or signed somebody else in.
  useEffect(() => {
    const look = () => {
      if (document.hidden || owner.current === undefined) return;
      currentUser().then(
        (user) => {
          if (user === null) expire();
          else if (user.username !== owner.current) location.reload();
        },
        () => {}, // the next operation will tell
      );
    };
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, [expire]);

  function leave() {
    signOut().then(
      () => location.reload(),
      (error: Error) => setNotice(error.message),
    );
  }

  return (
    <>
      <header className="header" hidden={owner.current === undefined && notice === ''}>
        <Wordmark />
        <nav aria-label="Pages">
          {pages.map(({ name, path, title }) => (
            <a key={name} href={path} {...(name === page && { 'aria-current': 'page' })}>
              {title}
            </a>
          ))}
        </nav>
        <p className="notice" role="status">
          {notice}
        </p>
        {session === undefined && <button onClick={ask}>Try again</button>}
        {session && (
          <>
            <span className="user" title={`Signed in as ${session.username}`}>
              {session.displayName || session.username}
            </span>
            <button onClick={() => setChanging(true)}>Change password</button>
            <button onClick={leave}>Sign out</button>
          </>
        )}
      </header>
      <main>{owner.current !== undefined && children({ username: owner.current, signIns, expire })}</main>
      {session === null && (
        <SignIn onSignedIn={arrive} kept={kept} {...(owner.current !== undefined && { expired: owner.current })} />
      )}
      {session && (changing || session.mustChangePassword) && (
        <ChangePassword
          user={session}
          onChanged={() => {
            setChanging(false);
            arrive({ ...session, mustChangePassword: false });
            setNotice('Password changed.');
          }}
          onExpired={expire}
          onCancel={() => (session.mustChangePassword ? leave() : setChanging(false))}
        />
      )}
    </>
  );
}
