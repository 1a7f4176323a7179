import { useEffect, useId, useRef, useState } from 'react';
import { fields, type Key } from './filter.ts';

interface Props {
  name: Key;
  /** What stands in the filter now. */
  value: string;
  placeholder: string;
  /** Null takes it away. */
  onValue: (value: string | null) => void;
}

/** Longer than between two letters: each question leaves a row in the log. */
const pause = 700;

/** A value of the filter as text. It is taken on Enter, when the field is left, and after a pause. */
export function TextField({ name, value, placeholder, onValue }: Props) {
  const { label, read, rule } = fields[name];
  const [text, setText] = useState(value);
  const [fault, setFault] = useState('');
  const id = useId();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  // The filter may change elsewhere: a chip, a link, the browser's back button.
  useEffect(() => {
    setText(value);
    setFault('');
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);

  /** Takes the text. What is not finished yet is no fault. */
  function commit(typed: string, finished: boolean) {
    clearTimeout(timer.current);
    const wanted = typed.trim() === '' ? '' : read(typed);
    if (wanted === null) {
      if (finished) setFault(`This has to be ${rule}.`);
    } else if (wanted !== value) onValue(wanted || null);
  }

  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        value={text}
        placeholder={placeholder}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        aria-invalid={fault !== ''}
        {...(fault !== '' && { 'aria-describedby': `${id}fault` })}
        onChange={(event) => {
          const typed = event.currentTarget.value;
          setText(typed);
          setFault('');
          clearTimeout(timer.current);
          timer.current = setTimeout(commit, pause, typed, false);
        }}
        onBlur={(event) => commit(event.currentTarget.value, true)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit(event.currentTarget.value, true);
        }}
      />
      {fault !== '' && (
        <p className="fault" id={`${id}fault`} role="alert">
          {fault}
        </p>
      )}
    </div>
  );
}
