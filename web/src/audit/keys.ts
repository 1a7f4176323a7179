import { useEffect, useRef, useSyncExternalStore } from 'react';

/** What each key does. */
export type Keys = { readonly [key: string]: () => void };

const stored = 'halite:shortcuts';
const listeners = new Set<() => void>();

/** Whether single keys do something. Who dictates or has a tremor may turn them off; the browser remembers it. */
export function useShortcuts(): [on: boolean, set: (on: boolean) => void] {
  const on = useSyncExternalStore(
    (notify) => {
      listeners.add(notify);
      return () => listeners.delete(notify);
    },
    () => localStorage.getItem(stored) !== 'off',
  );
  return [
    on,
    (wanted) => {
      localStorage.setItem(stored, wanted ? 'on' : 'off');
      for (const notify of listeners) notify();
    },
  ];
}

/** Listens to single keys anywhere on the page, but not where text is entered or a dialog is open. Escape always counts. */
export function useKeys(keys: Keys, on: boolean): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      const target = event.target as HTMLElement;
      if (target.closest('dialog') || document.querySelector('dialog[open]')) return;
      if (event.key !== 'Escape' && (!on || target.closest('input, select, textarea, [contenteditable]'))) return;
      if (event.key === 'Enter' && target.closest('button, a, summary')) return; // it acts by itself
      const action = latest.current[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [on]);
}
