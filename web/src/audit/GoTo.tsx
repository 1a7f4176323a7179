import { useId, useState, type SubmitEvent } from 'react';
import { Dialog } from '../Dialog.tsx';
import { fromField, zoneName, type Zone } from './time.ts';

interface Props {
  zone: Zone;
  /** Go there, or fail with an error that says why not. */
  onEntry: (id: string) => Promise<void>;
  onMoment: (at: string) => Promise<void>;
  onClose: () => void;
}

/** Asks for an entry or a moment to go to. The filter stays. */
export function GoTo({ zone, onEntry, onMoment, onClose }: Props) {
  const [message, setMessage] = useState('');
  const [busy, setBusy] = useState(false);
  const id = useId();

  async function submit(event: SubmitEvent<HTMLFormElement>, go: (text: string) => Promise<void>) {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get('to'));
    setBusy(true);
    setMessage('');
    try {
      await go(text);
      onClose();
    } catch (error) {
      setMessage((error as Error).message);
      setBusy(false);
    }
  }

  return (
    <Dialog title="Go to" onClose={onClose}>
      <p>The filter stays as it is.</p>
      <form onSubmit={(event) => submit(event, (text) => onEntry(text.replaceAll(/[,\s]/g, '')))}>
        <label htmlFor={`${id}entry`}>Entry</label>
        <div className="row">
          <input id={`${id}entry`} name="to" inputMode="numeric" placeholder="its id" autoComplete="off" required data-autofocus />
          <button disabled={busy}>Go to the entry</button>
        </div>
      </form>
      <form
        onSubmit={(event) =>
          submit(event, async (text) => {
            const at = fromField(text, zone);
            if (at === null) throw new RangeError('That is no moment.');
            await onMoment(at);
          })
        }
      >
        <label htmlFor={`${id}moment`}>Moment ({zoneName(zone)})</label>
        <div className="row">
          <input id={`${id}moment`} name="to" type="datetime-local" step="1" max="9999-12-31T23:59:59" required />
          <button disabled={busy}>Go to the moment</button>
        </div>
      </form>
      <p className="message" role="alert">
        {message}
      </p>
      <div className="buttons">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}
