import { useState, type SubmitEvent } from 'react';
import { changePassword, Refusal, type User } from './api.ts';
import { Dialog } from './Dialog.tsx';

interface Props {
  user: User;
  onChanged: () => void;
  /** The session has ended meanwhile. */
  onExpired: () => void;
  /** Leaves without a change: back to the editor, or out when the change is required. */
  onCancel: () => void;
}

/** Asks for the current password and, twice, for a new one. It cannot be dismissed while the user has to change it. */
export function ChangePassword({ user, onChanged, onExpired, onCancel }: Props) {
  const [message, setMessage] = useState('');
  const [busy, setBusy] = useState(false);
  const required = user.mustChangePassword;

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const next = String(form.get('new'));
    setMessage('');
    if (next !== form.get('repeat')) {
      setMessage('The two new passwords differ.');
      return;
    }
    setBusy(true);
    try {
      await changePassword(String(form.get('current')), next);
      onChanged();
    } catch (error) {
      setBusy(false);
      if (error instanceof Refusal && error.status === 401) onExpired();
      else setMessage((error as Error).message);
    }
  }

  return (
    <Dialog title={required ? 'Choose a new password' : 'Change password'} {...(!required && { onClose: onCancel })}>
      <p>
        {required
          ? 'The password you signed in with was given to you. Choose one that only you know; nothing else is allowed before that.'
          : 'Your other sessions will be signed out.'}
      </p>
      <form onSubmit={submit}>
        {/* Tells a password manager whose password this is. */}
        <input name="username" autoComplete="username" defaultValue={user.username} readOnly hidden />
        <label>
          Current password
          <input name="current" type="password" autoComplete="current-password" required />
        </label>
        <label>
          New password
          <small>8 characters or more</small>
          <input name="new" type="password" autoComplete="new-password" minLength={8} maxLength={1024} required />
        </label>
        <label>
          New password again
          <input name="repeat" type="password" autoComplete="new-password" required />
        </label>
        <p className="message" role="alert" aria-live="assertive">
          {message}
        </p>
        <div className="buttons">
          <button className="primary" disabled={busy}>
            {busy ? 'Changing…' : 'Change password'}
          </button>
          <button type="button" onClick={onCancel}>
            {required ? 'Sign out' : 'Cancel'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
