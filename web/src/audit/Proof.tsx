import { useId, useState, type SubmitEvent } from 'react';
import type { Entry } from './documents.ts';
import { number } from './format.ts';
import { canProve, readVerifier, verify, type Inclusion, type Verdict } from './proof.ts';

interface Props {
  entry: Entry;
  /** The arguments as the server wrote them. */
  args: string | null;
  onUnauthenticated: () => void;
}

type State = { is: 'unasked' | 'asking' } | { is: 'unsealed' | 'failed'; message: string } | { is: 'checked'; proof: Inclusion; verdict: Verdict };

const stored = 'halite:verifier';

/** Whether the entry is what was sealed: computed in the browser. Only when it is asked for: where the tree is not public, that leaves a row. */
export function Proof({ entry, args, onUnauthenticated }: Props) {
  const [state, setState] = useState<State>({ is: 'unasked' });
  const { argsJson: _, ...rest } = entry;

  async function ask() {
    setState({ is: 'asking' });
    try {
      const response = await fetch(`/api/audit/proof?id=${entry.id}`, { cache: 'no-store' });
      const answer = await response.json();
      if (response.status === 401) onUnauthenticated();
      if (response.ok) await check(answer);
      else setState({ is: response.status === 404 ? 'unsealed' : 'failed', message: said(answer) });
    } catch (error) {
      setState({ is: 'failed', message: error instanceof TypeError ? 'The server does not answer.' : (error as Error).message });
    }
  }

  async function check(proof: Inclusion) {
    const verifier = localStorage.getItem(stored) ?? '';
    setState({ is: 'checked', proof, verdict: await verify(rest, args, proof, verifier) });
  }

  return (
    <section className="proof">
      <h3>Proof</h3>
      {canProve() ? (
        <>
          {state.is !== 'checked' && (
            <button type="button" onClick={ask} disabled={state.is === 'asking'}>
              {state.is === 'asking' ? 'Verifying…' : 'Verify'}
            </button>
          )}
          <div role="status">
            {state.is === 'unsealed' && <p>Not sealed yet: {state.message}. The next checkpoint is some seconds away.</p>}
            {state.is === 'failed' && <p className="bad">It could not be verified: {state.message}</p>}
            {state.is === 'checked' && <Outcome verdict={state.verdict} />}
          </div>
          {state.is === 'checked' && !state.verdict.signed && <Key onKey={() => check(state.proof)} />}
        </>
      ) : (
        <p className="quiet">
          Browsers compute hashes only for pages that come over HTTPS or from localhost. <code>halite verify</code> does the same at the command line.
        </p>
      )}
    </section>
  );
}

const said = (answer: { detail?: unknown }) => (typeof answer.detail === 'string' ? answer.detail : 'the server refused it');

function Outcome({ verdict: { fault, checkpoint, signed } }: { verdict: Verdict }) {
  if (fault !== null) {
    return (
      <div className="told denied">
        <b>✕ Not verified</b>
        <p>{fault} Tell whoever answers for this log, and keep what you see.</p>
      </div>
    );
  }
  return (
    <div className="told verified">
      <b>✓ {signed ? 'Verified' : 'Sealed'}</b>
      <p>
        The entry, as it is shown, is in the log of {number(checkpoint.size)} entries of {checkpoint.origin},{' '}
        {signed ? 'signed with the key that you gave.' : 'whose signature was not checked.'}
      </p>
      <p className="hash">{checkpoint.root}</p>
    </div>
  );
}

/** Asks for the key with which checkpoints are checked. It is no secret, and the browser remembers it. */
function Key({ onKey }: { onKey: () => Promise<void> }) {
  const [fault, setFault] = useState('');
  const id = useId();

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get('key')).trim();
    if (!(await readVerifier(text))) {
      setFault('This has to be name+hash+key, as "halite checkpoint show" prints it.');
      return;
    }
    localStorage.setItem(stored, text);
    await onKey();
  }

  return (
    <form className="key" onSubmit={submit}>
      <label htmlFor={id}>The key that checkpoints are checked with, from somebody you trust</label>
      <div>
        <input id={id} name="key" autoComplete="off" spellCheck={false} placeholder="name+hash+key" defaultValue={localStorage.getItem(stored) ?? ''} aria-invalid={fault !== ''} required />
        <button>Check</button>
      </div>
      {fault !== '' && (
        <p className="fault" role="alert">
          {fault}
        </p>
      )}
    </form>
  );
}
