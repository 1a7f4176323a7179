import { useEffect, useState, type ReactNode } from 'react';
import { Failure } from './client.ts';
import { Copy } from './Copy.tsx';
import { number } from './format.ts';
import { clock, type Zone } from './time.ts';

/** What stands where the table would be: what is the case, and what to do about it. */
function State({ title, children, alert }: { title: string; children: ReactNode; alert?: boolean }) {
  return (
    <section className="state" {...(alert && { role: 'alert' })}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** The table before its first answer. After some seconds it says that it still waits. */
export function Loading({ slow }: { slow: boolean }) {
  return (
    <div className="loading-log" role="status" >
      <p className="unseen">Reading the log…</p>
      {slow && <p className="slow">The server takes its time. Still waiting…</p>}
      {Array.from({ length: 14 }, (_, index) => (
        <div key={index} className="bone" aria-hidden="true" />
      ))}
    </div>
  );
}

/** How long a wait is short. */
const patience = 4000;

/** Whether a wait goes on for longer than is short. */
export function useSlow(waiting: boolean): boolean {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    setSlow(false);
    if (!waiting) return;
    const timer = setTimeout(setSlow, patience, true);
    return () => clearTimeout(timer);
  }, [waiting]);
  return slow;
}

export function NothingRecorded() {
  return (
    <State title="The log is empty">
      <p>Nothing has been recorded yet, or nothing that is still kept.</p>
    </State>
  );
}

interface SearchProps {
  /** The oldest entry that was looked at; null if all were. */
  searchedTo: string | null;
  /** Looks at those before it. */
  onSearch: () => void;
}

export function NoMatch({ searchedTo, onSearch, onClear }: SearchProps & { onClear: () => void }) {
  return (
    <State title={searchedTo === null ? 'No entry matches' : 'No entry matches so far'}>
      {searchedTo === null ? (
        <p>The log was read to its end: no entry has all that the filter asks for.</p>
      ) : (
        <p>The newest entries were searched, down to entry {number(Number(searchedTo))}. Older ones were not looked at.</p>
      )}
      <div className="buttons">
        {searchedTo !== null && <button type="button" onClick={onSearch}>Search on</button>}
        <button type="button" onClick={onClear}>Clear the filter</button>
      </div>
    </State>
  );
}

/** Above the rows of a search that did not come to the end of the log. */
export function Searched({ searchedTo, onSearch }: { searchedTo: string; onSearch: () => void }) {
  return (
    <div className="searched" role="status">
      <p>
        This filter has to be searched for. It was, down to entry {number(Number(searchedTo))}; older ones were not looked at.
      </p>
      <button type="button" onClick={onSearch}>Search on</button>
    </div>
  );
}

export function PastTheEnd({ onLast }: { onLast: () => void }) {
  return (
    <State title="There is no such page">
      <p>The log, as it is filtered, ends before it.</p>
      <button type="button" onClick={onLast}>Go to the last page</button>
    </State>
  );
}

/** The reader may not read the log. Whom to ask is said without names: those only others may list. */
export function NoPermission({ username, reason, auditId, onRetry }: { username: string; reason: string; auditId: string | undefined; onRetry: () => void }) {
  return (
    <State title="You may not read the log" alert>
      <p>
        Reading it needs the permission <code>view</code> on <code>audit:*</code>. The answer to {username} was: {reason}.
      </p>
      <p>
        Ask an administrator of this server, somebody with the role <b>admin</b>, for a role that has it, such as{' '}
        <b>operator</b>. It acts at once; nobody needs to sign in again.
      </p>
      <p className="quiet">
        {auditId ? `This refusal is entry ${auditId} of the log.` : 'This refusal is in the log.'}
      </p>
      <div className="buttons">
        <Copy
          what="a request"
          text={() => `Please give the user ${username} a role with the permission "view" on "audit:*" at ${location.origin}.${auditId ? ` (Refused in entry ${auditId}.)` : ''}`}
        />
        <button type="button" onClick={onRetry}>Try again</button>
      </div>
    </State>
  );
}

/** Any other refusal: what the server said, and whether trying again may help. */
export function Refused({ error, onRetry, onClear }: { error: Error; onRetry: () => void; onClear: () => void }) {
  const { code, field, retryAfter, auditId } = error instanceof Failure ? error : new Failure('', error.message);
  return (
    <State title={code === 'BAD_USER_INPUT' ? 'The server does not take this filter' : 'The log could not be read'} alert>
      <p>
        {error.message}
        {field ? ` (${field})` : ''}
      </p>
      {retryAfter !== undefined && <p>Try again in {retryAfter} seconds.</p>}
      {code === 'INTERNAL_SERVER_ERROR' && (
        <p>This is a fault of the server, and its own log tells more{auditId ? `: look for entry ${auditId}` : ''}.</p>
      )}
      <div className="buttons">
        <button type="button" onClick={onRetry}>Try again</button>
        {code === 'BAD_USER_INPUT' && <button type="button" onClick={onClear}>Clear the filter</button>}
      </div>
    </State>
  );
}

interface GoneProps {
  /** When it was noticed. */
  since: number;
  /** When what is shown was read, if anything is. */
  readAt: number;
  message: string;
  zone: Zone;
  onRetry: () => void;
}

/** The server is gone. What was read stays below. */
export function Gone({ since, readAt, message, zone, onRetry }: GoneProps) {
  return (
    <div className="gone" role="alert">
      <p>
        <b>{message}</b> It has been away since {clock(since, zone)}.{' '}
        {readAt > 0 && `What is shown was read at ${clock(readAt, zone)}. `}
        The page keeps trying.
      </p>
      <button type="button" onClick={onRetry}>Try now</button>
    </div>
  );
}
