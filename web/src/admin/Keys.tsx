import { useState } from 'react';
import { count, number } from '../audit/format.ts';
import { client } from '../audit/asking.ts';
import { useAction, useDesk } from './desk.tsx';
import { acceptKeyDocument, deleteKeyDocument, keysDocument, rejectKeyDocument, type Key } from './documents.ts';
import { Button } from './parts.tsx';
import { Answered, useRead } from './reading.tsx';

/** Those that wait for a decision come first. */
const order: Key['status'][] = ['PENDING', 'DENIED', 'REJECTED', 'ACCEPTED'];

const words: Record<Key['status'], string> = { PENDING: 'pending', DENIED: 'denied by the master', REJECTED: 'rejected', ACCEPTED: 'accepted' };

/** Rows that are drawn before the reader asks for all. */
const most = 300;

/** The keys of the minions, and what to do about each. */
export function Keys() {
  const query = useRead(['keys'], keysDocument, {});
  const [wanted, setWanted] = useState('');
  const [all, setAll] = useState(false);
  return (
    <Answered query={query} what="the keys" needs="view on key:*">
      {({ keys }) => {
        if (!keys || keys.length === 0) return <p>The master knows no key. A minion that is told where it is sends one.</p>;
        const sorted = [...keys].sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status) || (a.id < b.id ? -1 : 1));
        const found = sorted.filter(({ id, status }) => id.includes(wanted.trim()) || words[status] === wanted.trim());
        const shown = all ? found : found.slice(0, most);
        return (
          <>
            <p className="quiet">
              {count(keys.length, 'key', 'keys')}: {order.map((status) => `${number(keys.filter((key) => key.status === status).length)} ${words[status]}`).join(', ')}
            </p>
            <div className="line">
              <label className="entry-field">
                Only ids with <input value={wanted} onChange={(event) => setWanted(event.currentTarget.value)} autoComplete="off" autoCapitalize="none" spellCheck={false} />
              </label>
            </div>
            {shown.length === 0 ? <p>No key has that in its id.</p> : <KeyTable keys={shown} />}
            {shown.length < found.length && <Button onClick={() => setAll(true)}>{`Show all ${number(found.length)}`}</Button>}
          </>
        );
      }}
    </Answered>
  );
}

function KeyTable({ keys }: { keys: Key[] }) {
  const { may, sure } = useDesk();
  const { act, busy } = useAction();

  /** What became of the other keys of the id, the master alone knows. */
  const after = async (text: string) => {
    await client.refetchQueries({ queryKey: ['keys'] });
    return text;
  };
  const accept = (id: string) =>
    act(acceptKeyDocument, { id }, { effect: 'OUTSIDE', needs: `accept on key:${id}`, done: () => after(`Accepted the key of ${id}.`) });
  const reject = async (id: string) => {
    const yes = await sure({ title: `Reject ${id}?`, text: `The master refuses the minion ${id} from now on, and no command reaches it. The key can be accepted later.`, yes: 'Reject the key' });
    if (yes) await act(rejectKeyDocument, { id }, { effect: 'OUTSIDE', needs: `reject on key:${id}`, done: () => after(`Rejected the key of ${id}.`) });
  };
  const remove = async (id: string) => {
    const yes = await sure({
      title: `Delete the keys of ${id}?`,
      text: `The master forgets every key of ${id}, whatever its status, and no command reaches the minion. If it still runs, it asks to be accepted again.`,
      yes: 'Delete the keys',
    });
    if (yes) await act(deleteKeyDocument, { id }, { effect: 'OUTSIDE', needs: `delete on key:${id}`, done: () => after(`Deleted the keys of ${id}.`) });
  };

  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Minion</th>
          <th scope="col">Key</th>
          <th scope="col">
            <span className="unseen">What to do</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {keys.map(({ id, status }) => (
          <tr key={`${status} ${id}`}>
            <th scope="row">{id}</th>
            <td>{status === 'ACCEPTED' ? words[status] : <span className="mark">{words[status]}</span>}</td>
            <td>
              <div className="actions">
                {status !== 'ACCEPTED' && may('accept', 'key') && <Button busy={busy} aria-label={`Accept ${id}, ${words[status]}`} onClick={() => void accept(id)}>Accept</Button>}
                {status !== 'REJECTED' && may('reject', 'key') && <Button busy={busy} aria-label={`Reject ${id}, ${words[status]}`} onClick={() => void reject(id)}>Reject…</Button>}
                {may('delete', 'key') && <Button busy={busy} kind="danger" aria-label={`Delete ${id}, ${words[status]}`} onClick={() => void remove(id)}>Delete…</Button>}
              </div>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
