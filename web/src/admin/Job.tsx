import { useState } from 'react';
import { number } from '../audit/format.ts';
import { compact, pretty, type Json } from '../audit/json.ts';
import { useAction, useDesk } from './desk.tsx';
import { jobDocument, jobsDocument, killJobDocument, type Job as Known } from './documents.ts';
import { Button, Link } from './parts.tsx';
import { writePlace } from './place.ts';
import { Answered, useRead } from './reading.tsx';

interface Props {
  jid: string;
  /** To whom it was sent, if that was a moment ago: then nobody has answered yet. */
  minions: string[] | null;
}

/** A job: to whom it went, and what came back when it is asked for. */
export function Job({ jid, minions }: Props) {
  const { may } = useDesk();
  const [asked, setAsked] = useState(minions === null);
  const query = useRead(['job', jid], jobDocument, { jid }, { enabled: asked });
  return (
    <section className="panel" aria-label={`Job ${jid}`}>
      <h2>
        Job <span className="mono">{jid}</span>
      </h2>
      {!asked && minions && (
        <>
          <p>Sent to {minions.join(', ')}. Some of them may be offline.</p>
          <div className="buttons">{may('view', 'job') && <Button kind="primary" onClick={() => setAsked(true)}>Read the returns</Button>}</div>
        </>
      )}
      {asked && (
        <Answered query={query} what="this job" needs={`view on job:${jid}`}>
          {({ job }) => job && <Returns job={job} />}
        </Answered>
      )}
      {may('kill', 'job') && <Kill jid={jid} />}
    </section>
  );
}

function Returns({ job }: { job: Known }) {
  const silent = job.minions.filter((minion) => !job.results.some((result) => result.minion === minion));
  const failed = job.results.filter(({ success, retcode }) => success === false || (retcode ?? 0) !== 0).length;
  return (
    <>
      <p>
        <code>{job.fun}</code> on <code>{job.target}</code> ({job.targetType}), sent by {job.user} at {job.startTime} by the master’s clock.{' '}
        <b>
          {number(job.results.length)} of {number(job.minions.length)} have returned{failed > 0 && `, ${number(failed)} with a failure`}.
        </b>
      </p>
      {Array.isArray(job.args) && job.args.length > 0 && (
        <p>
          Arguments: <code>{compact(job.args)}</code>
        </p>
      )}
      {job.results.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Minion</th>
              <th scope="col">Status</th>
              <th scope="col">What it returned</th>
            </tr>
          </thead>
          <tbody>
            {job.results.map((result) => (
              <tr key={result.minion}>
                <th scope="row">{result.minion}</th>
                <td>{status(result)}</td>
                <td>
                  <pre tabIndex={0}>{typeof result.return === 'string' ? result.return : pretty(result.return as Json)}</pre>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {silent.length > 0 && <p className="quiet">Nothing yet from {silent.join(', ')}. What was killed never returns.</p>}
    </>
  );
}

function status({ success, retcode }: Known['results'][number]) {
  if (success === false || (retcode ?? 0) !== 0) return <span className="mark">{retcode === null ? 'failed' : `failed, ${retcode}`}</span>;
  return success === null && retcode === null ? '' : 'done';
}

function Kill({ jid }: { jid: string }) {
  const { sure } = useDesk();
  const { act, busy } = useAction();
  return (
    <div className="buttons">
      <Button
        kind="danger"
        busy={busy}
        onClick={async () => {
          if (!(await sure({ title: 'Kill the job?', text: `The processes of job ${jid} are killed on its minions, wherever they are in their work. What was killed never returns.`, yes: 'Kill the job' }))) return;
          await act(killJobDocument, { jid }, { effect: 'OUTSIDE', needs: `kill on job:${jid}`, done: () => `Killed the job ${jid}.` });
        }}
      >
        Kill the job…
      </Button>
    </div>
  );
}

/** The jobs that the master remembers, when they are asked for. */
export function Jobs() {
  const { may } = useDesk();
  const [asked, setAsked] = useState(false);
  const query = useRead(['jobs'], jobsDocument, {}, { enabled: asked });
  if (!may('view', 'job')) return null;
  return (
    <section className="panel">
      <h2>Jobs</h2>
      {!asked ? (
        <Button onClick={() => setAsked(true)}>Read the latest jobs</Button>
      ) : (
        <Answered query={query} what="the jobs" needs="view on job:*">
          {({ jobs }) =>
            jobs && jobs.length > 0 ? (
              <table>
                <thead>
                  <tr>
                    <th scope="col">Job</th>
                    <th scope="col">Function</th>
                    <th scope="col" className="lesser">Target</th>
                    <th scope="col" className="lesser">Begun, by the master’s clock</th>
                  </tr>
                </thead>
                <tbody>
                  {jobs.map((job) => (
                    <tr key={job.jid}>
                      <th scope="row" className="mono">
                        <Link to={writePlace({ part: 'run', one: job.jid })}>{job.jid}</Link>
                      </th>
                      <td>{job.fun}</td>
                      <td className="lesser">{job.target}</td>
                      <td className="lesser">{job.startTime}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            ) : (
              <p>The master remembers no job.</p>
            )
          }
        </Answered>
      )}
    </section>
  );
}
