import type { TadaDocumentNode } from 'gql.tada';
import { createParser } from 'eventsource-parser';
import { Failure, refusal, text, unreachable, type Answer } from './client.ts';
import { parse } from './json.ts';

/** The server says something every 15 seconds. A connection that is silent for so long is dead. */
const silence = 45_000;

/** More than any one event has. */
const largest = 4 << 20;

interface Listener<Data> {
  /** Is told what came, in order. */
  onData: (data: Data[]) => void;
  /** Something came, be it only a sign that the server is there. */
  onSign: () => void;
}

/**
 * Follows a subscription, which leaves rows at its beginning and its end. Returns when the connection is lost; throws a
 * Failure when the server refuses it or ends it for a reason, or gives no answer, or the signal's reason.
 */
export async function follow<Data, Variables>(
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
  { onData, onSign }: Listener<Data>,
  signal: AbortSignal,
): Promise<void> {
  const dead = new AbortController();
  let timer = setTimeout(() => dead.abort(), silence);
  const sign = () => {
    clearTimeout(timer);
    timer = setTimeout(() => dead.abort(), silence);
  };
  let begun = false;
  try {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
      body: JSON.stringify({ query: text(document), variables }),
      cache: 'no-store',
      signal: AbortSignal.any([signal, dead.signal]),
    });
    if (!response.body || !response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
      throw refused(await response.text(), response.status);
    }
    begun = true;
    let data: Data[] = [];
    let failure: Failure | null = null;
    const parser = createParser({
      maxBufferSize: largest,
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') throw error;
      },
      onEvent: (event) => {
        if (event.event !== 'next' || failure) return;
        const answer = parse(event.data) as Answer<Data>;
        if (answer.errors?.[0]) failure = refusal(answer.errors[0]);
        else if (answer.data) data.push(answer.data);
      },
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      sign();
      onSign();
      parser.feed(value);
      if (data.length > 0) onData(data);
      data = [];
      if (failure) throw failure;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Failure) throw error;
    if (!begun) throw new Failure('UNREACHABLE', unreachable);
  } finally {
    clearTimeout(timer);
    dead.abort();
  }
}

/** What an answer says that is no stream. */
function refused(body: string, status: number): Failure {
  try {
    const error = (parse(body) as Answer<unknown>).errors?.[0];
    if (error) return refusal(error);
  } catch {
    // a proxy's page
  }
  return new Failure('UNREACHABLE', status >= 500 ? unreachable : `The server answered ${status} without a stream.`);
}
