import { print } from '@0no-co/graphql.web';
import type { TadaDocumentNode } from 'gql.tada';
import { parse } from './json.ts';

interface More {
  auditId?: string;
  field?: string;
  retryAfter?: number;
  outcomeUnknown?: boolean;
}

/** Why there is no answer. The message is fit to be shown. */
export class Failure extends Error {
  /** A code of the server's closed set; UNREACHABLE if it gave no answer that could be read. */
  readonly code: string;
  /** The row that the refusal left. */
  readonly auditId: string | undefined;
  /** The argument that broke a rule. */
  readonly field: string | undefined;
  /** Seconds after which asking again makes sense. */
  readonly retryAfter: number | undefined;
  /** It may have been done: an answer was lost that would have said. */
  readonly outcomeUnknown: boolean;

  constructor(code: string, message: string, more: More = {}) {
    super(message);
    this.code = code;
    this.auditId = more.auditId;
    this.field = more.field;
    this.retryAfter = more.retryAfter;
    this.outcomeUnknown = more.outcomeUnknown ?? false;
  }

  /** Whether the server is gone for a while, and asking again, which leaves no row before it is back, may help. */
  get gone(): boolean {
    return this.code === 'UNREACHABLE' || this.code === 'AUDIT_UNAVAILABLE';
  }
}

/** Longer than any page takes. A connection that is silent for so long is dead. */
const patience = 30_000;

/** A response of the server. */
export interface Answer<Data> {
  data?: Data | null;
  errors?: Refusal[];
}

interface Refusal {
  message: string;
  extensions?: More & { code?: string };
}

/** What the server says against a question, to be thrown. */
export const refusal = ({ message, extensions }: Refusal) => new Failure(extensions?.code ?? 'INTERNAL_SERVER_ERROR', message, extensions);

/** Asks the server. Throws a Failure if any part of the question was refused, or the signal's reason. */
export async function ask<Data, Variables>(
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
  signal?: AbortSignal,
): Promise<Data> {
  return (await askText(document, variables, signal)).data;
}

/** As ask, with the text of the answer, in which values stand as the server wrote them, and the rows that it left. */
export async function askText<Data, Variables>(
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
  signal?: AbortSignal,
  wait = patience,
): Promise<{ data: Data; text: string; rows: string[] }> {
  const deadline = AbortSignal.timeout(wait);
  let status = 0;
  let answer: Answer<Data>;
  let body: string;
  let rows: string;
  try {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json, application/json;q=0.9' },
      body: JSON.stringify({ query: text(document), variables }),
      cache: 'no-store',
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
    status = response.status;
    rows = response.headers.get('X-Audit-Id') ?? '';
    body = await response.text();
    answer = parse(body) as Answer<Data>;
  } catch (error) {
    signal?.throwIfAborted();
    throw new Failure('UNREACHABLE', status >= 500 || status === 0 ? unreachable : `The server answered ${status} without JSON.`, {});
  }
  const error = answer.errors?.[0];
  if (error) throw refusal(error);
  if (!answer.data) throw new Failure('UNREACHABLE', `The server answered ${status} without data.`);
  return { data: answer.data, text: body, rows: rows.split(',').filter(Boolean) };
}

/** What is said where there is no answer. */
export const unreachable = 'The server does not answer.';

/** A document as it is sent: what "copy as GraphQL" copies, too. */
export function text(document: Parameters<typeof print>[0]): string {
  return print(document);
}
