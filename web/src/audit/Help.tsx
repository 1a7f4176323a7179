import { Dialog } from '../Dialog.tsx';
import { useShortcuts } from './keys.ts';

const keys = [
  ['j, k', 'the next entry, the one before'],
  ['Enter', 'open the entry'],
  ['Esc', 'close it; leave the row'],
  ['n, p', 'the next page, the one before'],
  ['r', 'the newest entries'],
  ['l', 'live: entries come in as they are written'],
  ['p', 'while live, on the first page: pause, resume'],
  ['g', 'go to an entry or a moment'],
  ['/', 'the filter'],
  ['v', 'the picture: counts over time, by user, action and resource'],
  ['u', 'UTC or local time'],
  ['?', 'this help'],
] as const;

/** The keys, and a way to turn them off. */
export function Help({ onClose }: { onClose: () => void }) {
  const [on, setOn] = useShortcuts();
  return (
    <Dialog title="Help" onClose={onClose} wide>
      <p>
        Each line is one decision: who wanted to do what, and whether it was allowed. Denied ones are marked. A code of 400 or
        more means that an allowed action failed all the same. Reading the log is recorded as well, also what this page reads; it reads
        nothing by itself. Live leaves an entry when it begins and one when it ends, none in between.
      </p>
      <table className="keys">
        <caption>Keys</caption>
        <tbody>
          {keys.map(([key, what]) => (
            <tr key={key}>
              <th scope="row">
                {key.split(', ').map((one, index) => (
                  <span key={one}>
                    {index > 0 && ' '}
                    <kbd>{one}</kbd>
                  </span>
                ))}
              </th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <label className="check">
        <input type="checkbox" checked={on} onChange={(event) => setOn(event.currentTarget.checked)} /> Single keys do something
      </label>
      <div className="buttons">
        <button type="button" onClick={onClose} data-autofocus>
          Close
        </button>
      </div>
    </Dialog>
  );
}
