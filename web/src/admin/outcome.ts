import { Failure } from '../audit/client.ts';

/** How an action and its row are tied together, in the schema's words; ASK changes nothing. */
export type Effect = 'ASK' | 'CHANGE' | 'OUTSIDE';

/** What came of an action, to be said. Refused: for want of a permission or a session; failed: for another reason. */
export interface Outcome {
  kind: 'done' | 'answer' | 'failed' | 'nothing' | 'refused' | 'unknown';
  text: string;
  code?: string;
  /** The row that it left. */
  row?: string;
  /** An intent may be open: the log has no row yet, and will. */
  intent?: boolean;
}

const full = (text: string) => text.replace(/[.\s]*$/, '.');

/**
 * What a failure says of an action that was asked for. needs is the permission, such as `accept` on `key:web1`.
 *
 * Three are kept apart: it was not done; it may have been done, and an intent is open, which becomes a row; it may have been done, and
 * then the log has its row already.
 */
export function tell(error: unknown, effect: Effect, needs: string): Outcome {
  const failure = error instanceof Failure ? error : new Failure('', (error as Error).message);
  const { code, auditId: row } = failure;
  const message = full(failure.message);
  const about = { ...(code && { code }), ...(row !== undefined && { row }) };
  const lost = code === 'UNREACHABLE';
  if ((failure.outcomeUnknown || lost) && effect === 'OUTSIDE') {
    return { kind: 'unknown', intent: true, text: `${message} It may or may not have been sent. The server finds out which, some minutes later, and records it as one entry. Until then do not send it again.`, ...about };
  }
  if ((failure.outcomeUnknown || lost) && effect === 'CHANGE') {
    return { kind: 'unknown', text: `${message} It may or may not have been done: if it was, the log has its entry. Read again to see.`, ...about };
  }
  if (code === 'UNAUTHENTICATED') return { kind: 'refused', text: 'Your session had ended. Sign in, and do it again.', ...about };
  if (code === 'FORBIDDEN' && failure.message === 'Forbidden') return { kind: 'refused', text: `It needs the permission ${needs}, which you do not hold.`, ...about };
  const again = failure.retryAfter === undefined ? '' : ` Try again in ${failure.retryAfter} seconds.`;
  return { kind: code === 'FORBIDDEN' ? 'refused' : 'failed', text: `${message}${again}`, ...about };
}

/** A fault of one field of a form. */
export interface Fault {
  field: string;
  text: string;
}

/**
 * The field of a form that a failure names, with the rule that it breaks. `args[1]` is the second line of the field `args`. clash is the field that
 * a conflict is about.
 */
export function faultOf(error: unknown, clash?: string): Fault | null {
  if (!(error instanceof Failure)) return null;
  if (error.code === 'CONFLICT' && clash) return { field: clash, text: full(error.message) };
  if (error.field === undefined) return null;
  const [, field = '', index] = /^([^[]*)(?:\[(\d+)\])?/.exec(error.field)!;
  const rule = error.message.startsWith(`${error.field}: `) ? error.message.slice(error.field.length + 2) : error.message;
  const text = full(`${rule.charAt(0).toUpperCase()}${rule.slice(1)}`);
  return { field, text: index === undefined ? text : `Line ${Number(index) + 1}: ${text}` };
}
