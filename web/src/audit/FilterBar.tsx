import { useQuery } from '@tanstack/react-query';
import { useEffect, useId, useState } from 'react';
import { ask } from './client.ts';
import { usersDocument } from './documents.ts';
import { chips, isEmpty, isUUID, withValues, type Filter, type Key } from './filter.ts';
import { learnUsers, useKnown } from './known.ts';
import { Suggest } from './Suggest.tsx';
import { ago, fromField, toField, zoneName, type Zone } from './time.ts';

interface Props {
  filter: Filter;
  zone: Zone;
  /** Whether the reader may be told who the users are. */
  mayListUsers: boolean;
  onFilter: (filter: Filter) => void;
}

const ranges = [
  ['Last 15 minutes', 15 * 60],
  ['Last hour', 60 * 60],
  ['Last 24 hours', 24 * 60 * 60],
  ['Last 7 days', 7 * 24 * 60 * 60],
  ['Last 30 days', 30 * 24 * 60 * 60],
  ['Last 365 days', 365 * 24 * 60 * 60],
] as const;

const decisions = [
  ['', 'All'],
  ['allow', 'Allowed'],
  ['deny', 'Denied'],
] as const;

/** The id of the field that "/" goes to. */
export const firstField = 'filter-user';

/** The controls of the filter, and below them what it is made of. */
export function FilterBar({ filter, zone, mayListUsers, onFilter }: Props) {
  const known = useKnown();
  const [unfolded, setUnfolded] = useState(false);
  const set = (key: Key, ...values: string[]) => onFilter(withValues(filter, key, values));
  const requestUsers = useUsers(mayListUsers);
  const shown = chips(filter, zone, known.users);
  const controls = useId();

  const userId = filter.user?.[0] ?? '';
  const idOf = (name: string) =>
    [...known.users].find(([, known]) => known.toLowerCase() === name.toLowerCase())?.[0] ?? (isUUID(name) ? name.toLowerCase() : null);

  return (
    <search className="filter" aria-label="Filter">
      <button
        type="button"
        className="fold"
        aria-expanded={unfolded}
        aria-controls={controls}
        onClick={() => setUnfolded(!unfolded)}
      >
        Filter{shown.length > 0 && ` (${shown.length})`}
      </button>
      <div id={controls} className={unfolded ? 'controls unfolded' : 'controls'}>
        <Suggest
          id={firstField}
          label="User"
          value={known.users.get(userId) ?? userId}
          suggestions={[...new Set(known.users.values())].sort()}
          placeholder="name or id"
          onFocus={requestUsers}
          take={(text) => {
            if (text === '') return set('user'), null;
            const id = idOf(text);
            if (id === null) return `No user “${text}” has been seen here. An id works always.`;
            return set('user', id), null;
          }}
        />
        <Suggest
          label="Action"
          value={filter.action?.[0] ?? ''}
          suggestions={known.actions}
          placeholder="such as auth.login"
          take={(text) => (set('action', ...(text === '' ? [] : [text])), null)}
        />
        <fieldset className="field segments">
          <legend>Decision</legend>
          {decisions.map(([value, label]) => (
            <label key={value}>
              <input
                type="radio"
                name="decision"
                value={value}
                checked={(filter.decision?.[0] ?? '') === value}
                onChange={() => set('decision', ...(value === '' ? [] : [value]))}
              />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>
        <div className="field">
          <label htmlFor={`${controls}range`}>Range</label>
          <select
            id={`${controls}range`}
            value=""
            onChange={(event) => {
              const seconds = Number(event.currentTarget.value);
              const since = seconds > 0 ? [ago(seconds, new Date())] : [];
              onFilter(withValues(withValues(filter, 'until', []), 'since', since));
            }}
          >
            <option value="">Choose…</option>
            {ranges.map(([label, seconds]) => (
              <option key={seconds} value={seconds}>
                {label}
              </option>
            ))}
            <option value="0">Any time</option>
          </select>
        </div>
        <Moment label="From" value={filter.since?.[0] ?? ''} zone={zone} onMoment={(at) => set('since', ...at)} />
        <Moment label="Before" value={filter.until?.[0] ?? ''} zone={zone} onMoment={(at) => set('until', ...at)} />
      </div>
      {shown.length > 0 && (
        <ul className="chips" aria-label="Filtered by">
          {shown.map(({ key, value, label, text }) => (
            <li key={`${key} ${value}`}>
              <span>
                {label}: <b>{text}</b>
              </span>
              <button
                type="button"
                aria-label={`Remove ${label}: ${text}`}
                onClick={() => onFilter(withValues(filter, key, (filter[key] ?? []).filter((other) => other !== value)))}
              >
                ✕
              </button>
            </li>
          ))}
          {!isEmpty(filter) && (
            <li className="clear">
              <button type="button" onClick={() => onFilter({})}>
                Clear
              </button>
            </li>
          )}
        </ul>
      )}
    </search>
  );
}

interface MomentProps {
  label: string;
  value: string;
  zone: Zone;
  onMoment: (at: string[]) => void;
}

/** A moment in the zone of the page. It is taken when the field is left, on Enter, and when it is cleared. */
function Moment({ label, value, zone, onMoment }: MomentProps) {
  const id = useId();
  const shown = value === '' ? '' : toField(value, zone);
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);

  function commit(typed: string) {
    if (typed === shown) return;
    const at = fromField(typed, zone);
    onMoment(at === null ? [] : [at]);
  }

  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="datetime-local"
        step="1"
        max="9999-12-31T23:59:59"
        title={zoneName(zone)}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onBlur={(event) => commit(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit(event.currentTarget.value);
        }}
      />
    </div>
  );
}

/** Asks who the users are, once, when it is first called: that is recorded. */
function useUsers(may: boolean): () => void {
  const [wanted, setWanted] = useState(false);
  const { data } = useQuery({
    queryKey: ['users'],
    enabled: may && wanted,
    queryFn: ({ signal }) => ask(usersDocument, {}, signal),
  });
  useEffect(() => learnUsers((data?.users?.users ?? []).map(({ id, username }) => [id, username])), [data]);
  return () => setWanted(true);
}
