import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { readView, writeView, type View } from './view.ts';

/** How the address changes: a step that "back" undoes, or none. */
export type Step = 'push' | 'replace';

/** Goes to a view that is made from the one shown now. */
export type Go = (change: Partial<View> | ((view: View) => Partial<View>), step?: Step) => void;

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

const current = () => readView(location.pathname, location.search);

/** The view that the address holds, and how to go to another. */
export function useView(): [View, Go] {
  const now = useSyncExternalStore(subscribe, address);
  const view = useMemo(current, [now]);
  const go = useCallback<Go>((change, step = 'push') => {
    const from = current();
    const to = writeView({ ...from, ...(typeof change === 'function' ? change(from) : change) });
    if (to === address()) return;
    if (step === 'push') history.pushState(null, '', to);
    else history.replaceState(null, '', to);
    changed.dispatchEvent(new Event('change'));
  }, []);
  return [view, go];
}
