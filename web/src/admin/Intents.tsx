import { useEffect, useRef, useState } from 'react';
import { toSecond } from '../audit/time.ts';
import { useDesk } from './desk.tsx';
import { intentsDocument } from './documents.ts';
import { Button } from './parts.tsx';
import { Answered, useRead } from './reading.tsx';

/** What was begun at Salt and has no entry yet, when it is asked for; at once if open. */
export function Intents({ open }: { open: boolean }) {
  const { may } = useDesk();
  const [asked, setAsked] = useState(open);
  const query = useRead(['intents'], intentsDocument, {}, { enabled: asked });
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!open) return;
    section.current?.focus();
    setAsked(true);
    // What was read before does not know of the one that led here.
    if (query.data) void query.refetch();
  }, [open]);
  if (!may('view', 'audit')) return null;
  return (
    <section className="panel" id="intents" aria-label="Open intents" tabIndex={-1} ref={section}>
      <h2>Open intents</h2>
      <p className="quiet">
        What was begun and whose outcome the log does not have yet: it is under way, or an answer was lost, and then it may or may not have been done. Some minutes after it was
        given up the server finds out, and it becomes one entry.
      </p>
      {!asked ? (
        <Button onClick={() => setAsked(true)}>Read the open intents</Button>
      ) : (
        <Answered query={query} what="the open intents" needs="view on audit:*">
          {({ openIntents }) =>
            openIntents && openIntents.length > 0 ? (
              <table>
                <thead>
                  <tr>
                    <th scope="col">What</th>
                    <th scope="col">Who</th>
                    <th scope="col" className="lesser">Begun</th>
                    <th scope="col">Given up at</th>
                  </tr>
                </thead>
                <tbody>
                  {openIntents.map((intent) => (
                    <tr key={intent.id}>
                      <th scope="row">
                        {intent.action} {intent.resource} {intent.saltJid !== null && <span className="mono">job {intent.saltJid}</span>}
                      </th>
                      <td>{intent.username}</td>
                      <td className="lesser time">{toSecond(intent.openedAt, 'local')}</td>
                      <td className="time">{toSecond(intent.deadline, 'local')}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            ) : (
              <p>There is none: the outcome of all that was begun is in the log.</p>
            )
          }
        </Answered>
      )}
    </section>
  );
}
