import { useMemo, useSyncExternalStore } from 'react';
import { readPlace, type Place } from './place.ts';

const changed = new EventTarget();

function subscribe(notify: () => void): () => void {
  addEventListener('popstate', notify);
  changed.addEventListener('change', notify);
  return () => {
    removeEventListener('popstate', notify);
    changed.removeEventListener('change', notify);
  };
}

const address = () => `${location.pathname}${location.search}`;

/** The place that the address holds. */
export function usePlace(): Place {
  const now = useSyncExternalStore(subscribe, address);
  return useMemo(() => readPlace(location.pathname, location.search), [now]);
}

/** Goes to an address of the administration: a step that "back" undoes, or none. */
export function go(to: string, step: 'push' | 'replace' = 'push'): void {
  if (to === address()) return;
  if (step === 'push') history.pushState(null, '', to);
  else history.replaceState(null, '', to);
  changed.dispatchEvent(new Event('change'));
}
