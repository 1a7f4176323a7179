import { useId, useState } from 'react';

interface Props {
  label: string;
  suggestions: readonly string[];
  placeholder: string;
  /** Takes a text; an answer says why it does not. */
  take: (text: string) => string | null;
  /** Called when somebody is about to type or to look at the suggestions, not when he only passes by. */
  onWanted: () => void;
  id?: string;
}

/** A text with suggestions, to be added to the filter: when a suggestion is chosen, on Enter, and when the field is left. */
export function Suggest({ label, suggestions, placeholder, take, onWanted, id }: Props) {
  const [text, setText] = useState('');
  const [fault, setFault] = useState('');
  const own = useId();
  const [list, message] = [`${own}list`, `${own}fault`];

  function commit(typed: string) {
    const refusal = typed.trim() === '' ? null : take(typed.trim());
    setFault(refusal ?? '');
    setText(refusal === null ? '' : typed);
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
        onPointerDown={onWanted}
        onChange={({ currentTarget: { value }, nativeEvent }) => {
          setText(value);
          setFault('');
          // Chosen, not typed: somebody who types may go on.
          const { inputType } = nativeEvent as InputEvent;
          if ((inputType === undefined || inputType === 'insertReplacementText') && suggestions.includes(value)) commit(value);
        }}
        onBlur={(event) => commit(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Tab' && event.key !== 'Shift') onWanted();
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
