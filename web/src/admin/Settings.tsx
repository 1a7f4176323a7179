import { count } from '../audit/format.ts';
import { toSecond } from '../audit/time.ts';
import { useAction, useDesk } from './desk.tsx';
import { settingsDocument, testSaltDocument, testSavedDocument, updateSaltDocument, type EAuth, type SaltInput, type SaltTest, type Settings as Stored } from './documents.ts';
import { Button, Check, Field, Form, Text } from './parts.tsx';
import { amend, Answered, useRead } from './reading.tsx';

const backends: [EAuth, string][] = [
  ['PAM', 'pam: the master’s own accounts'],
  ['SHAREDSECRET', 'sharedsecret: one for everybody'],
  ['LDAP', 'ldap: a directory server'],
  ['FILE', 'file: a file of passwords'],
  ['AUTO', 'auto: what the master takes'],
];

const needs = 'edit on settings:salt';

/** How the Salt master is reached. */
export function Settings() {
  const query = useRead(['settings'], settingsDocument, {});
  return (
    <Answered query={query} what="the settings" needs={needs}>
      {({ settings }) => settings && <Salt key={settings.updatedAt} stored={settings} />}
    </Answered>
  );
}

/** What came of a test, in words. */
function tested(test: SaltTest | null) {
  if (!test) return { kind: 'answer', text: 'The server said nothing.' } as const;
  if (!test.ok) return { kind: 'answer', text: `No connection: ${test.detail}.` } as const;
  const minions = test.minionCount === null ? 'The minions could not be counted' : `${count(test.minionCount, 'minion is', 'minions are')} present`;
  return { kind: 'answer', text: `The connection works: ${test.detail}. ${minions}.` } as const;
}

function Salt({ stored: { salt, updatedAt } }: { stored: Stored }) {
  const { say } = useDesk();
  const { act, busy, fault, setFault } = useAction();

  function save(form: FormData) {
    const text = (name: string) => String(form.get(name));
    const eauth = text('eauth') as EAuth;
    const verify = form.has('verify');
    const password = text('password');
    const input: SaltInput = {
      ...(text('url') !== (salt.url ?? '') && { url: text('url') }),
      ...(text('username') !== (salt.username ?? '') && { username: text('username') }),
      ...(form.has('forget') ? { password: null } : password !== '' && { password }),
      ...(verify !== salt.verify && { verify }),
      ...(eauth !== salt.eauth && { eauth }),
    };
    if (Object.keys(input).length === 0) return say({ kind: 'nothing', text: 'All of it is stored already.' });
    return void act(updateSaltDocument, { input }, {
      effect: 'CHANGE',
      needs,
      done: ({ updateSaltSettings: settings }) => {
        if (settings) amend<{ settings: Stored | null }>(['settings'], () => ({ settings }));
        return 'Saved the settings. They act at once, on every server.';
      },
    });
  }

  function test(form: FormData) {
    const text = (name: string) => String(form.get(name));
    if (text('password') === '') {
      say(null);
      return setFault({ field: 'password', text: 'Type the password: what is typed is tested without what is stored.' });
    }
    const input = { url: text('url'), username: text('username'), password: text('password'), verify: form.has('verify'), eauth: text('eauth') as EAuth };
    return void act(testSaltDocument, { input }, { effect: 'ASK', needs, done: ({ testSaltSettings }) => tested(testSaltSettings) });
  }

  return (
    <Form
      label="Salt"
      fault={fault}
      onSubmit={(form, _, button) => {
        if (button === 'test') test(form);
        else if (button === 'saved') void act(testSavedDocument, {}, { effect: 'ASK', needs, done: ({ testSavedSaltSettings }) => tested(testSavedSaltSettings) });
        else save(form);
      }}
    >
      <div className="panel">
        <h2>Salt</h2>
        <p className="quiet">{updatedAt === null ? 'Never changed.' : `Changed last at ${toSecond(updatedAt, 'local')}.`}</p>
        <div className="fields">
          <Text name="url" label="URL of salt-api" inputMode="url" defaultValue={salt.url ?? ''} placeholder="https://salt.example.org:8000" hint="Empty: no connection." />
          <Field
            name="eauth"
            label="Who checks the account"
            control={(tied) => (
              <select {...tied} defaultValue={salt.eauth}>
                {backends.map(([value, text]) => (
                  <option key={value} value={value}>
                    {text}
                  </option>
                ))}
              </select>
            )}
          />
          <Text name="username" label="Account" defaultValue={salt.username ?? ''} />
          {/* Not the reader's own password: a manager of passwords is told so. */}
          <Text
            name="password"
            label="Password of the account"
            type="password"
            autoComplete="new-password"
            hint={salt.passwordSet ? 'One is stored. Empty: it stays.' : 'None is stored.'}
          />
        </div>
        {salt.passwordSet && <Check name="forget" label="Forget the stored password" />}
        <Check name="verify" label={<>Check the TLS certificate <span className="quiet">without it, anybody between may read the password</span></>} checked={salt.verify} />
        <div className="buttons">
          <Button type="submit" kind="primary" busy={busy} value="save">Save</Button>
          <Button type="submit" busy={busy} value="test">Test what is typed</Button>
          <Button type="submit" busy={busy} value="saved">Test what is stored</Button>
        </div>
      </div>
    </Form>
  );
}
