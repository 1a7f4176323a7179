import { useCallback, useEffect, useRef, useState } from 'react';

/** For so long after its last move the pointer is on its way to a row. */
const aim = 1500;

/** Whether the pointer has just moved, and what tells so. */
export function usePointing(): [pointing: boolean, point: () => void] {
  const [pointing, setPointing] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const point = useCallback(() => {
    clearTimeout(timer.current);
    setPointing(true);
    timer.current = setTimeout(setPointing, aim, false);
  }, []);
  return [pointing, point];
}
