import { createContext, useContext, useEffect, useId, useRef, type InputHTMLAttributes, type ReactNode, type SubmitEvent } from 'react';
import type { Fault } from './outcome.ts';
import { go } from '../address.ts';

/** A link within the administration. */
export function Link({ to, children, current }: { to: string; children: ReactNode; current?: boolean }) {
  return (
    <a
      href={to}
      {...(current && { 'aria-current': 'page' })}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}

/** A link to a row of the log. */
export const EntryLink = ({ id }: { id: string }) => <a href={`/audit/${id}`}>entry {id}</a>;

const Faulty = createContext<Fault | null>(null);

interface FormProps {
  /** What it is for; absent where a heading says so. */
  label: string;
  fault: Fault | null;
  /** With which button it was sent: its value. */
  onSubmit: (form: FormData, element: HTMLFormElement, button: string) => void;
  children: ReactNode;
}

/** A form that script alone sends. The field with the fault has the focus. */
export function Form({ label, fault, onSubmit, children }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const element = fault && form.current?.elements.namedItem(fault.field);
    if (element instanceof HTMLElement) element.focus();
  }, [fault]);
  return (
    <form
      ref={form}
      aria-label={label}
      // The rules are the server's, which names the field.
      noValidate
      onSubmit={(event: SubmitEvent<HTMLFormElement>) => {
        event.preventDefault();
        const button = (event.nativeEvent as globalThis.SubmitEvent).submitter;
        onSubmit(new FormData(event.currentTarget), event.currentTarget, button instanceof HTMLButtonElement ? button.value : '');
      }}
    >
      <Faulty value={fault}>{children}</Faulty>
    </form>
  );
}

interface FieldProps {
  name: string;
  label: string;
  hint?: ReactNode;
  /** Makes the control, with what ties it to its label, hint and fault. */
  control: (tied: { id: string; name: string; 'aria-describedby'?: string; 'aria-invalid'?: true }) => ReactNode;
}

/** A control with its label above it, and below it a hint and the server's objection. */
export function Field({ name, label, hint, control }: FieldProps) {
  const id = useId();
  const fault = useContext(Faulty);
  const text = fault?.field === name ? fault.text : null;
  const about = [hint && `${id}hint`, text && `${id}fault`].filter(Boolean).join(' ');
  return (
    <div className="entry-field">
      <label htmlFor={id}>{label}</label>
      {control({ id, name, ...(about && { 'aria-describedby': about }), ...(text && { 'aria-invalid': true }) })}
      {hint && <p className="hint" id={`${id}hint`}>{hint}</p>}
      {text && <p className="fault" id={`${id}fault`}>{text}</p>}
    </div>
  );
}

interface TextProps extends InputHTMLAttributes<HTMLInputElement> {
  name: string;
  label: string;
  hint?: ReactNode;
}

/** A line of text that is taken as it is typed. */
export function Text({ name, label, hint, ...rest }: TextProps) {
  return (
    <Field
      name={name}
      label={label}
      hint={hint}
      control={(tied) => <input autoComplete="off" autoCapitalize="none" spellCheck={false} {...rest} {...tied} />}
    />
  );
}

/** A box to be ticked. */
export function Check({ name, label, checked, value }: { name: string; label: ReactNode; checked?: boolean; value?: string }) {
  return (
    <label className="tick">
      <input type="checkbox" name={name} defaultChecked={checked} {...(value && { value })} /> <span>{label}</span>
    </label>
  );
}

/** A button that stays reachable while its action is under way. */
export function Button({ busy, children, kind, ...rest }: { busy?: boolean; children: ReactNode; kind?: 'primary' | 'danger' | 'plain'; type?: 'button' | 'submit'; onClick?: () => void; 'aria-label'?: string; name?: string; value?: string }) {
  return (
    <button type="button" {...rest} className={kind ?? 'plain'} {...(busy && { 'aria-disabled': true })}>
      {children}
    </button>
  );
}
