import type { UseQueryResult } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Failure } from './client.ts';
import type { Facets } from './documents.ts';
import { nobody, type Key } from './filter.ts';
import { number } from './format.ts';
import { Histogram } from './Histogram.tsx';
import { learnActions, learnUsers } from './known.ts';
import { usePicture } from './queries.ts';
import { clock } from './time.ts';
import type { View } from './view.ts';

interface Props {
  view: View;
  /** The newest entry that the table looks at. */
  asOf: string | null;
  /** Counts anew, up to the newest entry that is shown. Null: it is that one which is counted up to. */
  onRecount: (() => void) | null;
  onRange: (since: string, until: string) => void;
  /** Adds a value to the filter. */
  onPick: (key: Key, value: string) => void;
}

const units = { MINUTE: 'minute', QUARTER_HOUR: 'quarter of an hour', HOUR: 'hour', DAY: 'day', WEEK: 'week', MONTH: 'month' };

/** The entries of the view as a picture: how they are spread over time, and who and what is most frequent among them. */
export function Picture({ view, asOf, onRecount, onRange, onPick }: Props) {
  const { stats, facets } = usePicture(view, asOf);
  const { users, actions, resources } = facets.data ?? {};
  const drawn = stats.data?.auditStats;

  useEffect(() => {
    learnUsers((users?.values ?? []).flatMap(({ value, name }) => (value !== null && name !== null ? [[value, name] as const] : [])));
    learnActions((actions?.values ?? []).flatMap(({ value }) => value ?? []));
  }, [users, actions]);

  return (
    <section className="picture" aria-label="Picture" aria-busy={stats.isFetching || facets.isFetching}>
      <div className="drawn">
        {drawn ? (
          <Histogram buckets={drawn.buckets} unit={units[drawn.bucket]} zone={view.zone} onRange={onRange} />
        ) : (
          <Missing query={stats} />
        )}
        {drawn && onRecount && asOf !== null && (
          <p className="quiet counted">
            Counted at {clock(stats.dataUpdatedAt, view.zone)}, up to entry {number(Number(asOf))}.{' '}
            <button type="button" onClick={onRecount}>Count again</button>
          </p>
        )}
        {drawn && !drawn.isExact && <p className="quiet">Of the newest entries only: with this filter the log is searched.</p>}
      </div>
      {facets.data ? (
        <>
          <Top title="Users" facets={users} onPick={(value) => onPick('user', value ?? nobody)} />
          <Top title="Actions" facets={actions} onPick={(value) => value !== null && onPick('action', value)} />
          <Top title="Resources" facets={resources} onPick={(value) => value !== null && onPick('resource', value)} />
        </>
      ) : (
        <Missing query={facets} />
      )}
    </section>
  );
}

function Missing({ query: { error, failureReason } }: { query: UseQueryResult<unknown> }) {
  const reason = error ?? failureReason;
  if (reason instanceof Failure && reason.code === 'UNAUTHENTICATED') return null; // the table asks for the session
  return <p className="quiet" role={reason ? 'alert' : undefined}>{reason ? reason.message : 'Counting…'}</p>;
}

/** The most frequent values of a field, each a button that filters by it. */
function Top({ title, facets, onPick }: { title: string; facets: Facets | null | undefined; onPick: (value: string | null) => void }) {
  if (!facets) return null;
  return (
    <div className="top">
      <h2>
        {title}
        {!facets.isExact && <span className="quiet"> of the newest</span>}
      </h2>
      <ol>
        {facets.values.map(({ value, name, allowed, denied }) => (
          <li key={value ?? nobody}>
            <button type="button" title={name ?? value ?? nobody} onClick={() => onPick(value)}>
              {name ?? value ?? <span className="nobody">{nobody}</span>}
            </button>
            <span className="much">
              {number(allowed + denied)}
              {denied > 0 && <span className="red"> {number(denied)} denied</span>}
            </span>
          </li>
        ))}
      </ol>
    </div>
  );
}
