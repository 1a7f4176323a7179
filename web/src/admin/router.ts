import { useMemo } from 'react';
import { useAddress } from '../address.ts';
import { readPlace, type Place } from './place.ts';

/** The place that the address holds. */
export function usePlace(): Place {
  const now = useAddress();
  return useMemo(() => readPlace(location.pathname, location.search), [now]);
}
