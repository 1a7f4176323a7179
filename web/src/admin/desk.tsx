import type { TadaDocumentNode } from 'gql.tada';
import { createContext, useContext, useEffect, useRef, useState, type ReactNode } from 'react';
import { createPortal } from 'react-dom';
import { askText, Failure } from '../audit/client.ts';
import { Dialog } from '../Dialog.tsx';
import type { Owner } from '../Shell.tsx';
import type { Held } from './documents.ts';
import { may } from './held.ts';
import { faultOf, tell, type Effect, type Fault, type Outcome } from './outcome.ts';
import { EntryLink, Link } from './parts.tsx';
import { writePlace, type Part } from './place.ts';

/** What is asked before something that cannot be taken back. */
interface Question {
  title: string;
  /** What will happen. */
  text: ReactNode;
  /** The verb on the button that does it. */
  yes: string;
}

interface Desk extends Owner {
  /** Whether the reader may hold what a verb on a namespace needs. */
  may: (verb: string, namespace: string) => boolean;
  /** Says what came of an action, until the next one. */
  say: (outcome: Outcome | null) => void;
  /** Asks first. */
  sure: (question: Question) => Promise<boolean>;
}

const Context = createContext<Desk | null>(null);

/** What all parts share. */
export const useDesk = () => useContext(Context)!;

/** The line that says what came of the last action, the question that is open, and what is below them. */
export function DeskOf({ owner, held, part, children }: { owner: Owner; held: Held; part: Part | null; children: ReactNode }) {
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  useEffect(() => setOutcome(null), [part]);
  const [open, setOpen] = useState<(Question & { answer: (yes: boolean) => void; from: Element | null }) | null>(null);
  const close = (yes: boolean) => {
    open?.answer(yes);
    setOpen(null);
    if (open?.from instanceof HTMLElement) setTimeout(() => open.from instanceof HTMLElement && open.from.focus());
  };
  const desk: Desk = {
    ...owner,
    may: (verb, namespace) => may(held, verb, namespace),
    say: setOutcome,
    sure: (question) => new Promise((answer) => setOpen({ ...question, answer, from: document.activeElement })),
  };
  return (
    <Context value={desk}>
      <Said outcome={outcome} />
      {children}
      {open &&
        createPortal(
          <Dialog title={open.title} onClose={() => close(false)}>
            <p>{open.text}</p>
            <div className="buttons">
              <button type="button" data-autofocus onClick={() => close(false)}>Cancel</button>
              <button type="button" className="danger" onClick={() => close(true)}>{open.yes}</button>
            </div>
          </Dialog>,
          document.body,
        )}
    </Context>
  );
}

const words = { done: 'Done', answer: 'Answer', failed: 'Not done', nothing: 'Nothing to do', refused: 'Refused', unknown: 'Outcome unknown' };

/** What came of the last action. It takes the focus if the action took away what had it. */
function Said({ outcome }: { outcome: Outcome | null }) {
  const line = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (outcome && document.activeElement === document.body) line.current?.focus();
  }, [outcome]);
  return (
    <div className="said" role="status" tabIndex={-1} ref={line} {...(outcome && { 'data-kind': outcome.kind })}>
      {outcome && (
        <p>
          <b>{words[outcome.kind]}</b> {outcome.text}{' '}
          {outcome.code && (
            <>
              <code>{outcome.code}</code>{' '}
            </>
          )}
          {outcome.row !== undefined && (
            <>
              Recorded as <EntryLink id={outcome.row} />.
            </>
          )}
          {outcome.intent && (
            <>
              No entry says so yet: <Link to={writePlace({ part: 'run', intents: true })}>see the open intents</Link>.
            </>
          )}
        </p>
      )}
    </div>
  );
}

/** Longer than the server takes for an effect elsewhere, with its row. */
const patience = 60_000;

type Answer = string | Pick<Outcome, 'kind' | 'text'>;

interface Doing<Data> {
  effect: Effect;
  /** The permission, such as `accept on key:web1`. */
  needs: string;
  /** What to say when it was done, and what to do with the answer before that. */
  done: (data: Data) => Answer | Promise<Answer>;
  /** The field that a conflict is about. */
  clash?: string;
}

/** Asks for actions, one at a time, and says what came of each. */
export function useAction() {
  const { say, expire } = useDesk();
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const under = useRef(false);

  async function act<Data, Variables>(
    document: TadaDocumentNode<Data, Variables>,
    variables: Variables,
    { effect, needs, done, clash }: Doing<Data>,
  ): Promise<boolean> {
    if (under.current) return false;
    under.current = true;
    setBusy(true);
    setFault(null);
    say(null);
    try {
      const { data, rows } = await askText(document, variables, undefined, patience);
      const answer = await done(data);
      say({ ...(typeof answer === 'string' ? { kind: 'done', text: answer } : answer), ...(rows[0] !== undefined && { row: rows[0] }) });
      return true;
    } catch (error) {
      say(tell(error, effect, needs));
      setFault(faultOf(error, clash));
      if (error instanceof Failure && error.code === 'UNAUTHENTICATED') expire();
      return false;
    } finally {
      under.current = false;
      setBusy(false);
    }
  }

  return { act, busy, fault, setFault };
}
