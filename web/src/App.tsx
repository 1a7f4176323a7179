import { lazy, Suspense, useCallback, useEffect, useRef, useState } from 'react';
import { currentUser, signOut, type User } from './api.ts';
import { ChangePassword } from './ChangePassword.tsx';
import { SignIn } from './SignIn.tsx';
import { Wordmark } from './Wordmark.tsx';

const Editor = lazy(() => import('./Editor.tsx'));

/** What is known of the session. Undefined: not asked yet; null: there is none. */
type Session = User | null | undefined;

/** The page: a header and the editor below it, and over them whichever form is needed first. */
export function App() {
  const [session, setSession] = useState<Session>();
  const [signIns, setSignIns] = useState(0);
  const [changing, setChanging] = useState(false);
  const [notice, setNotice] = useState('');
  // The editor stays mounted when the session ends, so that nothing written is lost.
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
      <main>
        {owner.current !== undefined && (
          <Suspense fallback={<p className="loading">Loading the editor…</p>}>
            <Editor username={owner.current} signIns={signIns} onUnauthenticated={expire} />
          </Suspense>
        )}
      </main>
      {session === null && <SignIn onSignedIn={arrive} {...(owner.current !== undefined && { expired: owner.current })} />}
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
