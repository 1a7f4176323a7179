import { useRef, useState, type SubmitEvent } from 'react';
import { signIn, type User } from './api.ts';
import { Dialog } from './Dialog.tsx';
import { Wordmark } from './Wordmark.tsx';

interface Props {
  /** The user whose session ended; absent at a first sign-in. */
  expired?: string;
  /** What is still here after the session ended, as a sentence. */
  kept: string;
  onSignedIn: (user: User) => void;
}

/** Asks for a user name and a password until the server accepts them. The password is kept nowhere but in its field. */
export function SignIn({ expired, kept, onSignedIn }: Props) {
  const [message, setMessage] = useState('');
  const [busy, setBusy] = useState(false);
  const password = useRef<HTMLInputElement>(null);

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setMessage('');
    try {
      onSignedIn(await signIn(String(form.get('username')), String(form.get('password'))));
    } catch (error) {
      setMessage((error as Error).message);
      setBusy(false);
      password.current!.value = '';
      password.current!.focus();
    }
  }

  return (
    <Dialog title={expired ? 'Sign in again' : 'Sign in'}>
      <Wordmark />
      <p>
        {expired ? `Your session has ended. ${kept}` : 'Every sign-in, accepted or refused, is recorded.'}
      </p>
      <form onSubmit={submit}>
        <label>
          User name
          <input
            name="username"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            defaultValue={expired}
            required
            {...(!expired && { 'data-autofocus': true })}
          />
        </label>
        <label>
          Password
          <input
            ref={password}
            name="password"
            type="password"
            autoComplete="current-password"
            required
            {...(expired && { 'data-autofocus': true })}
          />
        </label>
        <p className="message" role="alert" aria-live="assertive">
          {message}
        </p>
        <button className="primary" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
    </Dialog>
  );
}
