import { Failure } from './client.ts';
import { Lines, readFooter, type Footer, type Format } from './footer.ts';

/** How far an export is. */
export interface Progress {
  /** Entries so far; in CSV about so many. */
  entries: number;
  bytes: number;
}

/** An export that came to its end. */
export interface Exported {
  name: string;
  content: Blob;
  /** Null: the file was cut. */
  footer: Footer | null;
  /** Whether the content has the hash that the footer names; null if the browser could not tell. */
  matches: boolean | null;
}

/** Parts of this size are handed to the browser, which may keep them on the disk. */
const part = 8 << 20;

/** Hashing needs the whole content in memory. */
const hashable = 256 << 20;

/** Takes an export from the server. Throws a Failure if it is refused; one that breaks off has no footer. */
export async function take(path: string, format: Format, tell: (progress: Progress) => void, signal: AbortSignal): Promise<Exported> {
  let response: Response;
  try {
    response = await fetch(path, { cache: 'no-store', signal });
  } catch {
    signal.throwIfAborted();
    throw new Failure('UNREACHABLE', 'The server does not answer.');
  }
  if (!response.ok || !response.body) throw await refusal(response);

  const lines = new Lines();
  let content = new Blob();
  let chunks: Uint8Array<ArrayBuffer>[] = [];
  let waiting = 0;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      lines.add(value);
      chunks.push(value);
      waiting += value.length;
      if (waiting >= part) {
        content = new Blob([content, ...chunks]);
        [chunks, waiting] = [[], 0];
      }
      tell({ entries: Math.max(0, lines.count - (format === 'csv' ? 1 : 0)), bytes: lines.bytes });
    }
  } catch {
    signal.throwIfAborted(); // otherwise the connection broke: what came is kept, and has no footer
  }
  content = new Blob([content, ...chunks], { type: response.headers.get('Content-Type') ?? '' });
  const { text, before } = lines.last;
  const footer = readFooter(format, text);
  return { name: fileName(response, format), content, footer, matches: footer && (await hasHash(content.slice(0, before), footer.sha256)) };
}

async function hasHash(content: Blob, wanted: string): Promise<boolean | null> {
  if (content.size > hashable || !globalThis.crypto?.subtle) return null;
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await content.arrayBuffer()));
  return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('') === wanted;
}

function fileName(response: Response, format: Format): string {
  return /filename="([^"]+)"/.exec(response.headers.get('Content-Disposition') ?? '')?.[1] ?? `halite-audit.${format}`;
}

const codes: Record<number, string> = { 401: 'UNAUTHENTICATED', 403: 'FORBIDDEN', 422: 'BAD_USER_INPUT', 429: 'RATE_LIMITED', 503: 'AUDIT_UNAVAILABLE' };

async function refusal(response: Response): Promise<Failure> {
  const body = (await response.json().catch(() => null)) as { detail?: unknown } | null;
  const wait = Number(response.headers.get('Retry-After'));
  const message = typeof body?.detail === 'string' ? body.detail : `The server answered ${response.status}.`;
  return new Failure(codes[response.status] ?? 'INTERNAL_SERVER_ERROR', message, wait > 0 ? { retryAfter: wait } : {});
}
