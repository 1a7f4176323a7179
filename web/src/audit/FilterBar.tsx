import { useQuery } from '@tanstack/react-query';
import { useEffect, useId, useState } from 'react';
import { ask } from './client.ts';
import { actionsDocument, usersDocument } from './documents.ts';
import { chips, fields, isEmpty, isUUID, most, nobody, withValues, type Filter, type Key } from './filter.ts';
import { learnActions, learnUsers, useKnown } from './known.ts';
import { Suggest } from './Suggest.tsx';
import { TextField } from './TextField.tsx';
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

/** What is searched for, and how it may look. */
const texts = [
  ['text', 'in resource, reason, arguments'],
  ['resource', 'such as key:web-*'],
  ['job', 'its id'],
  ['request', 'its id'],
  ['code', '404 or 400-599'],
  ['slow', 'milliseconds'],
] as const;

/** The id of the field that "/" goes to. */
export const firstField = 'filter-user';

/** The controls of the filter, and below them what it is made of. */
export function FilterBar({ filter, zone, mayListUsers, onFilter }: Props) {
  const known = useKnown();
  const [unfolded, setUnfolded] = useState(false);
  const set = (key: Key, ...values: string[]) => onFilter(withValues(filter, key, values));
  /** Adds a value to those of a key; says why it does not. */
  const add = (key: Key, value: string): string | null => {
    const values = filter[key] ?? [];
    const read = fields[key].read(value);
    if (read === null) return `This has to be ${fields[key].rule}.`;
    if (values.length >= most) return `No more than ${most} can be asked for.`;
    if (!values.includes(read)) set(key, ...values, read);
    return null;
  };
  const suggestions = useSuggestions(mayListUsers);
  // A field that is asked for is shown.
  const asked = texts.some(([name]) => filter[name]);
  const [more, setMore] = useState(asked);
  useEffect(() => {
    if (asked) setMore(true);
  }, [asked]);
  const shown = chips(filter, zone, known.users);
  const controls = useId();

  const idOf = (name: string) => {
    if (name === nobody || isUUID(name)) return name.toLowerCase();
    return [...known.users].find(([, known]) => known.toLowerCase() === name.toLowerCase())?.[0] ?? null;
  };

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
          suggestions={[nobody, ...new Set([...known.users.values()].sort())]}
          placeholder="name or id"
          onWanted={suggestions.users}
          take={(text) => {
            const user = idOf(text);
            return user === null ? `No user “${text}” has been seen here. An id works always.` : add('user', user);
          }}
        />
        <Suggest
          label="Action"
          suggestions={known.actions}
          placeholder="such as auth.login"
          onWanted={suggestions.actions}
          take={(text) => add('action', text)}
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
        <button type="button" className="beside" aria-expanded={more} aria-controls={`${controls}more`} onClick={() => setMore(!more)}>
          {more ? 'Fewer' : 'More'} fields
        </button>
        <div id={`${controls}more`} className="searches" hidden={!more}>
          {texts.map(([name, placeholder]) => (
            <TextField
              key={name}
              name={name}
              value={filter[name]?.[0] ?? ''}
              placeholder={placeholder}
              onValue={(value) => set(name, ...(value === null ? [] : [value]))}
            />
          ))}
        </div>
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

/** Asks whom and what to suggest, each once, when it is first wanted: that is recorded. */
function useSuggestions(mayListUsers: boolean): { users: () => void; actions: () => void } {
  const [wanted, setWanted] = useState({ users: false, actions: false });
  const users = useQuery({
    queryKey: ['users'],
    enabled: mayListUsers && wanted.users,
    queryFn: ({ signal }) => ask(usersDocument, {}, signal),
  });
  const actions = useQuery({ queryKey: ['actions'], enabled: wanted.actions, queryFn: ({ signal }) => ask(actionsDocument, {}, signal) });
  useEffect(() => learnUsers((users.data?.users?.users ?? []).map(({ id, username }) => [id, username])), [users.data]);
  useEffect(() => learnActions(actions.data?.auditActions ?? []), [actions.data]);
  return {
    users: () => setWanted((before) => ({ ...before, users: true })),
    actions: () => setWanted((before) => ({ ...before, actions: true })),
  };
}
