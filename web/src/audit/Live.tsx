import { useEffect, useRef, useState } from 'react';
import { attempts, type Link } from './feed.ts';
import { count, number } from './format.ts';

interface SwitchProps {
  live: boolean;
  /** Why the view cannot be live; null if it can. */
  whyNot: string | null;
  paused: boolean;
  /** Rows can come in: pausing makes sense. */
  coming: boolean;
  onLive: (live: boolean) => void;
  onPause: (paused: boolean) => void;
}

/** Live or not, and a pause. */
export function LiveSwitch({ live, whyNot, paused, coming, onLive, onPause }: SwitchProps) {
  const [asked, setAsked] = useState(false);
  const on = live && whyNot === null;
  return (
    <>
      <button
        type="button"
        className="live"
        aria-pressed={on}
        aria-disabled={whyNot !== null}
        aria-describedby="live-why"
        title={whyNot ?? 'Entries come in as they are written (l)'}
        onClick={() => (whyNot === null ? onLive(!live) : setAsked(!asked))}
      >
        <span className="dot" aria-hidden="true" /> Live
      </button>
      {on && coming && (
        <button
          type="button"
          className="pause"
          aria-label={paused ? 'Resume' : 'Pause'}
          title={paused ? 'Resume: shows what came, and goes on (p)' : 'Pause: what comes is counted, and waits (p)'}
          onClick={() => onPause(!paused)}
        >
          <svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
            <path d={paused ? 'M1 0v10l9-5z' : 'M1 0h3v10H1zM6 0h3v10H6z'} fill="currentcolor" />
          </svg>
        </button>
      )}
      <span id="live-why" className={whyNot !== null && (live || asked) ? 'quiet' : 'unseen'}>
        {whyNot !== null && `Not live: ${whyNot}`}
      </span>
    </>
  );
}

/** How many came and wait, as a button that shows them. */
export function Waiting({ waiting, onShow }: { waiting: number; onShow: () => void }) {
  return (
    <>
      <Told waiting={waiting} />
      {waiting > 0 && (
        <button type="button" className="pill" onClick={onShow} title="Shows them (r)">
          <span aria-hidden="true">↑</span> <span className="unseen">Show </span>
          {number(waiting)} new<span className="unseen"> {waiting === 1 ? 'entry' : 'entries'}</span>
        </button>
      )}
    </>
  );
}

/** Between two announcements. Who listens is told how it stands, not of each entry. */
const quietFor = 15_000;

function Told({ waiting }: { waiting: number }) {
  const [said, setSaid] = useState(0);
  const at = useRef(0);
  const now = useRef(waiting);
  now.current = waiting;
  useEffect(() => {
    if (waiting === said) return;
    const timer = setTimeout(
      () => {
        at.current = Date.now();
        setSaid(now.current);
      },
      waiting === 0 ? 0 : Math.max(0, at.current + quietFor - Date.now()),
    );
    return () => clearTimeout(timer);
  }, [waiting === said, waiting === 0, said]);
  return (
    <p className="unseen" role="status">
      {said > 0 && `${count(said, 'new entry waits', 'new entries wait')} above.`}
    </p>
  );
}

interface EndedProps {
  link: Link;
  username: string;
  onRetry: () => void;
  onNewest: () => void;
}

/** Why nothing comes in any more, and what to do about it. What came stays below. */
export function Ended({ link, username, onRetry, onNewest }: EndedProps) {
  if (link.is !== 'ended' || link.failure.code === 'UNAUTHENTICATED') return null;
  const { code, field, message, auditId } = link.failure;
  const gap = code === 'BAD_USER_INPUT' && field === 'after';
  return (
    <div className="gone" role="alert">
      {code === 'FORBIDDEN' ? (
        <p>
          <b>Live has ended: {username} may not read the log any more.</b> It needs the permission <code>view</code> on <code>audit:*</code>. What
          was read stays. Ask an administrator of this server, somebody with the role <b>admin</b>; it acts at once.
          {auditId && ` This refusal is entry ${auditId} of the log.`}
        </p>
      ) : gap ? (
        <p>
          <b>Live has ended, with a gap.</b> {gapReason(message)} What is shown is the log as it was before.
        </p>
      ) : (
        <p>
          <b>Live has ended.</b> {message.replace(/\.?$/, '.')}
          {code === 'BROKEN' && ` Something between this page and the server may not let it through. It is not tried again by itself, since each of the ${attempts} attempts left entries in the log.`}
          {code === 'INTERNAL_SERVER_ERROR' && ` This is a fault of the server, and its own log tells more${auditId ? `: look for entry ${auditId}` : ''}.`}
        </p>
      )}
      <button type="button" onClick={gap ? onNewest : onRetry}>{gap ? 'Read the newest' : 'Try again'}</button>
    </div>
  );
}

/** What the server says of a place from which it cannot go on. */
function gapReason(message: string): string {
  if (/last entry$/.test(message)) {
    return 'The log now ends before what is shown: an older copy of the database may have been put in its place, which “halite verify” would tell.';
  }
  return `It cannot be told what was written meanwhile: ${message.replace(/^after: /, '')}.`;
}
