import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { client } from '../audit/asking.ts';
import { ask, Failure } from '../audit/client.ts';
import type { Owner } from '../Shell.tsx';
import { DeskOf } from './desk.tsx';
import { heldDocument, type Held } from './documents.ts';
import { useful } from './held.ts';
import { Keys } from './Keys.tsx';
import { Link } from './parts.tsx';
import { parts, writePlace, type Part, type Place } from './place.ts';
import { Roles } from './Roles.tsx';
import { go } from '../address.ts';
import { usePlace } from './router.ts';
import { Run } from './Run.tsx';
import { Settings } from './Settings.tsx';
import { User } from './User.tsx';
import { Users } from './Users.tsx';

const titles: Record<Part, string> = { users: 'Users', roles: 'Roles', settings: 'Settings', run: 'Run a command', keys: 'Keys' };

/** The administration: what the address says, for somebody who holds some permissions. */
export function Admin(owner: Owner) {
  const { signIns, expire } = owner;
  // It leaves no row; a role that was given meanwhile acts with the next sign-in or reload.
  const held = useQuery({ queryKey: ['held', signIns], queryFn: ({ signal }) => ask(heldDocument, {}, signal), placeholderData: (before) => before });
  const signedOut = held.error instanceof Failure && held.error.code === 'UNAUTHENTICATED';
  useEffect(() => {
    if (signedOut) expire();
  }, [signedOut, expire]);
  // What was refused to the last session is not kept from the next: what is shown is asked for again, once.
  useEffect(() => void client.resetQueries({ predicate: ({ state, queryKey }) => queryKey[0] !== 'held' && state.status === 'error' }), [signIns]);

  const pairs = held.data?.myPermissions;
  if (!pairs) {
    return (
      <div className="desk">
        <h1 className="unseen">Administration</h1>
        {held.isError && !signedOut ? (
          <section className="state" role="alert">
            <h2>The administration could not be opened</h2>
            <p>{held.error.message}</p>
            <div className="buttons">
              <button type="button" className="plain" onClick={() => void held.refetch()}>Try again</button>
            </div>
          </section>
        ) : (
          <p className="waiting" role="status">{held.failureReason ? `${held.failureReason.message} The page keeps trying.` : 'Opening…'}</p>
        )}
      </div>
    );
  }
  return (
    <div className="desk">
      <Opened owner={owner} held={pairs} />
    </div>
  );
}

function Opened({ owner, held }: { owner: Owner; held: Held }) {
  const place = usePlace();
  const may = useful(held);
  const heading = useRef<HTMLHeadingElement>(null);
  const first = useRef(true);
  const title = place.part === null ? 'Administration' : titles[place.part];

  useEffect(() => {
    if (place.part === null && may[0]) go(writePlace({ part: may[0] }), 'replace');
  }, [place.part, may[0]]);
  useEffect(() => {
    document.title = `${title} · halite`;
    // A step within the page is announced as a new page is.
    if (!first.current) heading.current?.focus();
    first.current = false;
  }, [place.part, place.part === 'run' ? null : place.one]);

  return (
    <>
      <nav className="parts" aria-label="Administration">
        {parts
          .filter((part) => may.includes(part) || part === place.part)
          .map((part) => (
            <Link key={part} to={writePlace({ part })} current={part === place.part}>
              {titles[part]}
            </Link>
          ))}
      </nav>
      <DeskOf owner={owner} held={held} part={place.part}>
        <div className="part">
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          <Shown {...place} />
        </div>
      </DeskOf>
    </>
  );
}

function Shown({ part, one, page, intents }: Place) {
  switch (part) {
    case 'users':
      return one === null ? <Users page={page} /> : <User key={one} id={one} />;
    case 'roles':
      return <Roles key={one} one={one} />;
    case 'settings':
      return <Settings />;
    case 'run':
      return <Run job={one} intents={intents} />;
    case 'keys':
      return <Keys />;
    default:
      return (
        <p>
          Nothing here is of use to you: each part needs a permission that you do not hold, such as <code>view</code> on <code>user:*</code> or <code>execute</code> on <code>salt:*</code>. Ask an
          administrator for a role that has it.
        </p>
      );
  }
}
