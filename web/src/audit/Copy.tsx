import { useEffect, useState } from 'react';

interface Props {
  what: string;
  text: () => string;
}

/** Puts a text on the clipboard, and says so. Where the browser has no clipboard to offer, the text is shown instead. */
export function Copy({ what, text }: Props) {
  const [state, setState] = useState<'' | 'copied' | { shown: string }>('');

  useEffect(() => {
    if (state !== 'copied') return;
    const timer = setTimeout(setState, 2000, '');
    return () => clearTimeout(timer);
  }, [state]);

  async function copy() {
    const content = text();
    try {
      await navigator.clipboard.writeText(content);
      setState('copied');
    } catch {
      setState({ shown: content }); // no permission, or neither HTTPS nor localhost
    }
  }

  return (
    <>
      <button type="button" onClick={copy}>
        {state === 'copied' ? 'Copied' : `Copy ${what}`}
      </button>
      <span className="unseen" role="status">
        {state === 'copied' && `Copied ${what}`}
      </span>
      {typeof state === 'object' && (
        <textarea className="shown" readOnly rows={6} value={state.shown} aria-label={what} onFocus={(event) => event.currentTarget.select()} />
      )}
    </>
  );
}
