import { useState } from 'react';
import { useAction, useDesk } from './desk.tsx';
import { canDocument, usersDocument } from './documents.ts';
import { Button, Field, Form, Text } from './parts.tsx';
import { Answered, useRead } from './reading.tsx';

/** Can somebody do something? About oneself the answer leaves no row. */
export function Ask({ about }: { about?: { id: string; username: string } }) {
  const { username } = useDesk();
  const { act, busy, fault } = useAction();
  const [others, setOthers] = useState(false);
  const mayList = useDesk().may('view', 'user');
  const users = useRead(['users', 'all'], usersDocument, { limit: 500, offset: 0 }, { enabled: others });
  const [verdict, setVerdict] = useState<{ question: string; allowed: boolean; reason: string } | null>(null);
  const self = about?.username === username;

  return (
    <section className="panel">
      <h2>{about ? `Can ${about.username} do it?` : 'Can somebody do it?'}</h2>
      <p className="quiet">What the policy says, and why, without doing anything.{!self && ' Asking about somebody else is recorded.'}</p>
      <Form
        label="Can somebody do it?"
        fault={fault}
        onSubmit={async (form) => {
          const [verb, resource] = [String(form.get('verb')), String(form.get('resource'))];
          const who = about?.id ?? String(form.get('userId') ?? '');
          const name = about?.username ?? (users.data?.data.users?.users.find(({ id }) => id === who)?.username || username);
          setVerdict(null);
          await act(canDocument, { verb, resource, userId: who === '' || name === username ? null : who }, {
            effect: 'ASK',
            needs: `view on user:${name}`,
            done: ({ can }) => {
              if (!can) return 'The server said nothing.';
              setVerdict({ question: `${name}: ${verb} on ${resource}`, ...can });
              return { kind: 'answer', text: `${name} ${can.allowed ? 'may' : 'may not'} ${verb} on ${resource}: ${can.reason}.` };
            },
          });
        }}
      >
        <div className="line">
          {!about && others && (
            <Answered query={users} what="the users" needs="view on user:*">
              {({ users: page }) => (
                <Field
                  name="userId"
                  label="User"
                  control={(tied) => (
                    <select {...tied}>
                      {page?.users.map((user) => (
                        <option key={user.id} value={user.id}>
                          {user.username}
                        </option>
                      ))}
                    </select>
                  )}
                />
              )}
            </Answered>
          )}
          <Text name="verb" label="Verb" placeholder="execute" />
          <Text name="resource" label="Resource" placeholder="salt:test.ping" />
          <Button type="submit" busy={busy}>Ask</Button>
          {!about && !others && mayList && <Button onClick={() => setOthers(true)}>About somebody else…</Button>}
        </div>
      </Form>
      {verdict && (
        <p className="verdict" data-allowed={verdict.allowed}>
          {verdict.question} <b>{verdict.allowed ? 'allowed' : 'denied'}</b> <span>{verdict.reason}</span>
        </p>
      )}
    </section>
  );
}
