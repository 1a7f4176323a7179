import { useEffect, useId, useRef, useState } from 'react';

interface Props {
  label: string;
  /** What stands in the filter now, as it is shown. */
  value: string;
  suggestions: readonly string[];
  placeholder: string;
  /** Takes a text; an answer says why it does not. Empty takes the filter away. */
  take: (text: string) => string | null;
  /** Called when somebody is about to type. */
  onFocus?: () => void;
  id?: string;
}

/** Long enough for the next letter, short enough not to be waited for. */
const pause = 400;

/**
 * A text with suggestions. It is taken when a suggestion is chosen, on Enter, when the field is left, and, if it is one
 * of the suggestions, after a pause.
 */
export function Suggest({ label, value, suggestions, placeholder, take, onFocus, id }: Props) {
  const [text, setText] = useState(value);
  const [fault, setFault] = useState('');
  const own = useId();
  const [list, message] = [`${own}list`, `${own}fault`];
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  // The filter may change elsewhere: a chip, a link, the browser's back button.
  useEffect(() => {
    setText(value);
    setFault('');
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);

  function commit(typed: string) {
    clearTimeout(timer.current);
    setFault(typed.trim() === value ? '' : (take(typed.trim()) ?? ''));
  }

  function type(typed: string) {
    setText(typed);
    setFault('');
    clearTimeout(timer.current);
    if (typed === '') commit(typed);
    else if (suggestions.includes(typed)) timer.current = setTimeout(commit, pause, typed);
  }

  return (
    <div className="field">
      <label htmlFor={id ?? own}>{label}</label>
      <input
        id={id ?? own}
        list={list}
        value={text}
        placeholder={placeholder}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        aria-invalid={fault !== ''}
        {...(fault !== '' && { 'aria-describedby': message })}
        onFocus={onFocus}
        onChange={(event) => type(event.currentTarget.value)}
        onBlur={(event) => commit(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit(event.currentTarget.value);
        }}
      />
      <datalist id={list}>
        {suggestions.map((suggestion) => (
          <option key={suggestion} value={suggestion} />
        ))}
      </datalist>
      {fault !== '' && (
        <p className="fault" id={message} role="alert">
          {fault}
        </p>
      )}
    </div>
  );
}
