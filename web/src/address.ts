import { useSyncExternalStore } from 'react';

/** How the address changes: a step that "back" undoes, or none. */
export type Step = 'push' | 'replace';

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

/** The address without its fragment. Whoever uses it is told when it changes. */
export const useAddress = () => useSyncExternalStore(subscribe, address);

/** Goes to an address of the same page. */
export function go(to: string, step: Step = 'push'): void {
  if (to === address()) return;
  if (step === 'push') history.pushState(null, '', to);
  else history.replaceState(null, '', to);
  changed.dispatchEvent(new Event('change'));
}
