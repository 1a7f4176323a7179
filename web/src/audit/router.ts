import { useCallback, useMemo } from 'react';
import { go as goTo, useAddress, type Step } from '../address.ts';
import { readView, writeView, type View } from './view.ts';

/** Goes to a view that is made from the one shown now. */
export type Go = (change: Partial<View> | ((view: View) => Partial<View>), step?: Step) => void;

const current = () => readView(location.pathname, location.search);

/** The view that the address holds, and how to go to another. */
export function useView(): [View, Go] {
  const now = useAddress();
  const view = useMemo(current, [now]);
  const go = useCallback<Go>((change, step = 'push') => {
    const from = current();
    goTo(writeView({ ...from, ...(typeof change === 'function' ? change(from) : change) }), step);
  }, []);
  return [view, go];
}
