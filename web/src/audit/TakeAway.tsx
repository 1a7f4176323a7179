import { useEffect, useRef, useState } from 'react';
import { Dialog } from '../Dialog.tsx';
import { Failure } from './client.ts';
import { Copy } from './Copy.tsx';
import { asCurl, asGraphQL, exportAsCurl, exportPath, listQuestion } from './copy.ts';
import { take, type Exported, type Progress } from './exporting.ts';
import { toInput } from './filter.ts';
import type { Format } from './footer.ts';
import { bytes, count, number } from './format.ts';
import { writeView, type View } from './view.ts';

interface Props {
  view: View;
  /** The newest entry that the view looks at. */
  asOf: string | null;
  /** How many entries the filter selects, when it was read. */
  total: number;
  mayExport: boolean;
  onUnauthenticated: () => void;
  onClose: () => void;
}

const formats: [Format, string][] = [
  ['csv', 'CSV, for a spreadsheet'],
  ['ndjson', 'NDJSON, for a program'],
];

/** Takes the entries of the filter away as a file, or copies the question for use elsewhere. */
export function TakeAway({ view, asOf, total, mayExport, onUnauthenticated, onClose }: Props) {
  const [format, setFormat] = useState<Format>('csv');
  const [progress, setProgress] = useState<Progress | null>(null);
  const [result, setResult] = useState<Exported | null>(null);
  const [fault, setFault] = useState('');
  const abort = useRef<AbortController>(undefined);
  useEffect(() => () => abort.current?.abort(), []);

  const path = exportPath(view.filter, format);
  const question = listQuestion(toInput(view.filter), view.size, (view.page - 1) * view.size);

  async function begin() {
    if (path === null) return;
    const control = (abort.current = new AbortController());
    setResult(null);
    setFault('');
    setProgress({ entries: 0, bytes: 0 });
    try {
      const taken = await take(path, format, setProgress, control.signal);
      setResult(taken);
      if (taken.footer && taken.matches !== false) save(taken);
    } catch (error) {
      if (!control.signal.aborted) {
        if (error instanceof Failure && error.code === 'UNAUTHENTICATED') onUnauthenticated();
        const { retryAfter } = error as Failure;
        setFault(`${(error as Error).message}${retryAfter ? ` Try again in ${retryAfter} seconds.` : ''}`);
      }
    }
    setProgress(null);
  }

  return (
    <Dialog title="Export, copy" onClose={onClose} wide>
      <section className="export">
        <h2>Export</h2>
        {path !== null && <p>All {count(total, 'entry', 'entries')} that the filter selects, and what has come since, oldest first. It is recorded.</p>}
        {path === null && (
          <p>
            Exports select by one user, one action, the decision and times. This filter asks for more: take the entries of its other parts away, and select in the
            file; or copy the view as GraphQL.
          </p>
        )}
        {path === null ? null : mayExport ? (
          <>
            <fieldset className="choices" disabled={progress !== null}>
              <legend className="unseen">Format</legend>
              {formats.map(([value, label]) => (
                <label key={value}>
                  <input type="radio" name="format" value={value} checked={format === value} onChange={() => setFormat(value)} /> {label}
                </label>
              ))}
            </fieldset>
            <div className="buttons">
              {progress ? (
                <button type="button" onClick={() => abort.current?.abort()}>Stop</button>
              ) : (
                <button type="button" className="primary" onClick={begin}>Export</button>
              )}
            </div>
            {progress && (
              <div className="progress">
                <progress max={Math.max(1, total)} value={Math.min(progress.entries, total)} aria-label="Progress of the export" />
                <span>
                  {number(progress.entries)} of {number(total)}, {bytes(progress.bytes)}
                </span>
              </div>
            )}
            <div role="status">{result && <Outcome result={result} />}</div>
          </>
        ) : (
          <p>
            It needs the permission <code>export</code> on <code>audit:*</code>, which you do not hold. Ask an administrator.
          </p>
        )}
        <p className="message" role="alert">
          {fault}
        </p>
      </section>
      <section>
        <h2>Copy this view</h2>
        <div className="buttons">
          <Copy what="link" text={() => new URL(writeView({ ...view, asOf, entry: null }), location.href).href} />
          <Copy what="as GraphQL" text={() => asGraphQL(question)} />
          <Copy what="as curl" text={() => asCurl(question, location.origin)} />
          {path !== null && <Copy what="export as curl" text={() => exportAsCurl(path, location.origin)} />}
        </div>
      </section>
      <div className="buttons">
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function Outcome({ result }: { result: Exported }) {
  const { footer, matches, content, name } = result;
  if (!footer || matches === false) {
    return (
      <p className="message">
        {footer ? 'The file is not what the server sent: its hash differs.' : `The file was cut after ${bytes(content.size)}: its last line is missing.`} Export it
        again.
      </p>
    );
  }
  return (
    <div className="complete">
      <p>
        <b>Complete: {count(footer.count, 'entry', 'entries')}</b>, {bytes(content.size)}, {matches ? 'hash checked' : 'hash not checked'}.{' '}
        <button type="button" onClick={() => save(result)}>
          Save {name} again
        </button>
      </p>
      <p className="hash">SHA-256 {footer.sha256}</p>
    </div>
  );
}

/** Hands the file to the browser's downloads. */
function save({ name, content }: Exported): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser reads it after the click.
  setTimeout(URL.revokeObjectURL, 60_000, link.href);
}
