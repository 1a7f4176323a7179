import { useState } from 'react';
import { count } from '../audit/format.ts';
import { everyone, toArgs, toKwargs } from './command.ts';
import { useAction, useDesk } from './desk.tsx';
import { runDocument, type TargetType } from './documents.ts';
import { Intents } from './Intents.tsx';
import { Job, Jobs } from './Job.tsx';
import { Button, Field, Form, Text } from './parts.tsx';
import { writePlace } from './place.ts';
import { go } from '../address.ts';

const types: [TargetType, string][] = [
  ['GLOB', 'a pattern of ids'],
  ['LIST', 'ids with commas between'],
  ['PCRE', 'a regular expression on ids'],
  ['GRAIN', 'a grain and its value, os:Debian'],
  ['NODEGROUP', 'a node group of the master'],
  ['COMPOUND', 'an expression that joins them'],
];

/** A job that was sent from here. */
interface Sent {
  jid: string;
  minions: string[];
}

/** Sends commands, and shows what came of one. */
export function Run({ job, intents }: { job: string | null; intents: boolean }) {
  const desk = useDesk();
  const [sent, setSent] = useState<Sent | null>(null);
  return (
    <>
      {desk.may('execute', 'salt') ? <Command onSent={setSent} /> : <p className="quiet">Running a command needs the permission execute on salt:*, or on some functions.</p>}
      {job !== null && <Job key={job} jid={job} minions={sent?.jid === job ? sent.minions : null} />}
      <Jobs />
      <Intents open={intents} />
    </>
  );
}

function Command({ onSent }: { onSent: (sent: Sent) => void }) {
  const { sure, say } = useDesk();
  const { act, busy, fault, setFault } = useAction();

  async function submit(form: FormData) {
    const text = (name: string) => String(form.get(name));
    const target = text('target');
    const targetType = text('targetType') as TargetType;
    const fun = text('fun').trim();
    const kwargs = toKwargs(text('kwargs'));
    if (kwargs === undefined) {
      say(null);
      return setFault({ field: 'kwargs', text: 'Must be an object in JSON, such as {"timeout": 5}.' });
    }
    if (everyone(targetType, target) && !(await sure({ title: `Run ${fun || 'it'} on every minion?`, text: `The target ${target} is every minion of the master. A job that was sent is not called back, only killed.`, yes: 'Run on every minion' }))) return;
    await act(runDocument, { input: { target, targetType, fun, args: toArgs(text('args')), kwargs } }, {
      effect: 'OUTSIDE',
      needs: `execute on salt:${fun}`,
      done: ({ runCommand }) => {
        if (!runCommand) return 'The server did not say which job it is.';
        onSent(runCommand);
        go(writePlace({ part: 'run', one: runCommand.jid }));
        return `Sent ${fun} to ${count(runCommand.minions.length, 'minion', 'minions')} as job ${runCommand.jid}.`;
      },
    });
  }

  return (
    <section className="panel">
      <h2>Command</h2>
      <Form label="Command" fault={fault} onSubmit={(form) => void submit(form)}>
        <div className="fields">
          <Text name="target" label="Target" placeholder="web*" />
          <Field
            name="targetType"
            label="The target is"
            control={(tied) => (
              <select {...tied}>
                {types.map(([value, what]) => (
                  <option key={value} value={value}>
                    {what}
                  </option>
                ))}
              </select>
            )}
          />
          <Text name="fun" label="Function" placeholder="test.ping" />
        </div>
        <div className="fields">
          <Field name="args" label="Arguments" hint="One a line." control={(tied) => <textarea {...tied} rows={2} spellCheck={false} autoCapitalize="none" />} />
          <Field name="kwargs" label="Keyword arguments" hint="An object in JSON." control={(tied) => <textarea {...tied} rows={2} spellCheck={false} autoCapitalize="none" placeholder="{}" />} />
        </div>
        <div className="buttons">
          <Button type="submit" kind="primary" busy={busy}>Run</Button>
          <span className="quiet">It is sent at most once. Who may read the log sees the arguments, but for secrets.</span>
        </div>
      </Form>
    </section>
  );
}
