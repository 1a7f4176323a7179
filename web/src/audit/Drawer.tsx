import { useEffect, useRef, type ReactNode } from 'react';
import { Changes } from './Changes.tsx';
import { Copy } from './Copy.tsx';
import { asCurl, asGraphQL, entryQuestion } from './copy.ts';
import { Failure } from './client.ts';
import { changeOf } from './diff.ts';
import type { Entry } from './documents.ts';
import { fields, nobody, type Key } from './filter.ts';
import { number, outcome, sentence } from './format.ts';
import { pretty } from './json.ts';
import { Proof } from './Proof.tsx';
import { useEntry } from './queries.ts';
import { Decision } from './Table.tsx';
import { duration, exact, type Zone } from './time.ts';
import { Tree } from './Tree.tsx';
import { entryPath } from './view.ts';

interface Props {
  id: string;
  zone: Zone;
  /** A link to all entries with this value of a key. */
  href: (key: Key, value: string) => string;
  onFollow: (key: Key, value: string) => void;
  onUnauthenticated: () => void;
  onClose: () => void;
}

/** Everything that is recorded of one entry. */
export function Drawer({ id, zone, href, onFollow, onUnauthenticated, onClose }: Props) {
  const { data, error, isPending, refetch } = useEntry(id);
  const heading = useRef<HTMLHeadingElement>(null);

  useEffect(() => heading.current?.focus(), []);

  const ended = error instanceof Failure && error.code === 'UNAUTHENTICATED';
  useEffect(() => {
    if (ended) onUnauthenticated();
  }, [ended, onUnauthenticated]);

  return (
    <aside className="drawer" aria-label="Entry">
      <header>
        <h2 ref={heading} tabIndex={-1}>
          Entry {number(Number(id))}
        </h2>
        <button type="button" onClick={onClose} aria-label="Close the entry" title="Close (Esc)">
          ✕
        </button>
      </header>
      {data ? (
        <Body key={id} {...data} zone={zone} href={href} onFollow={onFollow} onUnauthenticated={onUnauthenticated} />
      ) : isPending && !error ? (
        <p className="quiet">Reading…</p>
      ) : (
        <div role="alert">
          <p>
            {error instanceof Failure && error.code === 'NOT_FOUND'
              ? 'The log has no such entry: the id is higher than any yet, or the entry is no longer kept.'
              : error?.message}
          </p>
          <button type="button" onClick={() => refetch()}>Try again</button>
        </div>
      )}
    </aside>
  );
}

type BodyProps = { entry: Entry; args: string | null } & Pick<Props, 'zone' | 'href' | 'onFollow' | 'onUnauthenticated'>;

function Body({ entry, args, zone, href, onFollow, onUnauthenticated }: BodyProps) {
  const change = changeOf(entry.argsJson);
  const question = entryQuestion(entry.id);
  const failed = entry.resultCode >= 400;
  const same = (key: Key, value: string | null) =>
    value !== null && fields[key].read(value) === value ? (
      <a
        className="same"
        href={href(key, value)}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          onFollow(key, value);
        }}
      >
        all of this {fields[key].label.toLowerCase()}
      </a>
    ) : null;

  return (
    <>
      <div className={`told ${entry.decision === 'DENY' ? 'denied' : failed ? 'failed' : ''}`}>
        <Decision decision={entry.decision} />
        <p>{sentence(entry)}.</p>
      </div>
      <dl className="facts">
        <Fact name="Time" note={exact(entry.at, zone === 'utc' ? 'local' : 'utc')}>
          <time dateTime={entry.at}>{exact(entry.at, zone)}</time>
        </Fact>
        <Fact name="User" more={same('user', entry.userId ?? nobody)} note={entry.userId}>
          {entry.username ?? (entry.userId === null ? <span className="nobody">nobody was signed in</span> : '')}
        </Fact>
        <Fact name="Action" more={same('action', entry.action)}>{entry.action}</Fact>
        <Fact name="Resource" more={same('resource', entry.resource)}>{entry.resource}</Fact>
        <Fact name="Verb">{entry.verb}</Fact>
        <Fact name="Code" note={outcome(entry.resultCode)}>
          <span className={failed ? (entry.decision === 'DENY' ? 'bad refused' : 'bad') : undefined}>{entry.resultCode}</span>
        </Fact>
        <Fact name="Duration">{duration(entry.durationMs)}</Fact>
        <Fact name="Job" more={same('job', entry.saltJid)}>{entry.saltJid}</Fact>
        <Fact name="Request" more={same('request', entry.requestId)}>{entry.requestId}</Fact>
        <Fact name="Address">{entry.sourceIp}</Fact>
        <Fact name="Client">{entry.userAgent}</Fact>
      </dl>
      <Proof entry={entry} args={args} onUnauthenticated={onUnauthenticated} />
      {change && (
        <section>
          <h3>Before and after</h3>
          <Changes {...change} />
        </section>
      )}
      <section>
        <h3>Arguments</h3>
        {entry.argsJson === null ? <p className="quiet">None.</p> : <Tree value={entry.argsJson} />}
      </section>
      <section>
        <h3>Copy</h3>
        <div className="buttons">
          <Copy what="link" text={() => new URL(entryPath(entry.id), location.href).href} />
          <Copy what="arguments" text={() => pretty(entry.argsJson)} />
          <Copy what="entry as JSON" text={() => pretty(entry)} />
          <Copy what="as GraphQL" text={() => asGraphQL(question)} />
          <Copy what="as curl" text={() => asCurl(question, location.origin)} />
        </div>
      </section>
    </>
  );
}

interface FactProps {
  name: string;
  children: ReactNode;
  /** Said quietly below. */
  note?: string | null;
  /** A link beside it. */
  more?: ReactNode;
}

/** One field; a field without a value is told as such. */
function Fact({ name, children, note, more }: FactProps) {
  const absent = children === null || children === '';
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {absent && !note ? <span className="quiet">none</span> : children}
        {note && <small>{note}</small>}
        {more}
      </dd>
    </div>
  );
}
