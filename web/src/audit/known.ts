import { useSyncExternalStore } from 'react';
import type { Row } from './documents.ts';

/** What was seen while the page is open, to be suggested: names of users by their ids, and actions. */
export interface Known {
  readonly users: ReadonlyMap<string, string>;
  readonly actions: readonly string[];
}

let known: Known = { users: new Map(), actions: [] };
const listeners = new Set<() => void>();

function subscribe(notify: () => void): () => void {
  listeners.add(notify);
  return () => listeners.delete(notify);
}

/** Adds users to what is known. */
export function learnUsers(users: Iterable<readonly [id: string, name: string]>): void {
  const fresh = [...users].filter(([id, name]) => known.users.get(id) !== name);
  if (fresh.length > 0) tell({ ...known, users: new Map([...known.users, ...fresh]) });
}

/** Adds what the rows name to what is known. */
export function learn(rows: readonly Row[]): void {
  learnUsers(rows.flatMap(({ userId, username }) => (userId !== null && username !== null ? [[userId, username] as const] : [])));
  learnActions(rows.map((row) => row.action));
}

/** Adds actions to what is known. */
export function learnActions(actions: Iterable<string>): void {
  const all = [...new Set([...known.actions, ...actions])].sort();
  if (all.length !== known.actions.length) tell({ ...known, actions: all });
}

function tell(more: Known): void {
  known = more;
  for (const notify of listeners) notify();
}

export const useKnown = (): Known => useSyncExternalStore(subscribe, () => known);
