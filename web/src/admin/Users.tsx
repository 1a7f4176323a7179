import { useState } from 'react';
import { count, number } from '../audit/format.ts';
import { toSecond } from '../audit/time.ts';
import { useAction, useDesk } from './desk.tsx';
import { createUserDocument, usersDocument, type User } from './documents.ts';
import { Button, Check, Form, Link, Text } from './parts.tsx';
import { writePlace } from './place.ts';
import { amend, Answered, useRead } from './reading.tsx';
import { RoleChoice } from './RoleChoice.tsx';

/** Users on a page. */
const size = 50;

/** The users, and a form for a new one. */
export function Users({ page }: { page: number }) {
  const desk = useDesk();
  const query = useRead(['users', page], usersDocument, { limit: size, offset: (page - 1) * size });
  const [adding, setAdding] = useState(false);
  return (
    <>
      <Answered query={query} what="the users" needs="view on user:*">
        {({ users }) => {
          const last = Math.max(1, Math.ceil((users?.total ?? 0) / size));
          return (
            <>
              <p className="quiet">{count(users?.total ?? 0, 'user', 'users')}</p>
              {users && users.users.length > 0 ? <UserTable users={users.users} /> : <p>There is no user on this page.</p>}
              {last > 1 && (
                <nav className="pages" aria-label="Pages of users">
                  {page > 1 && <Link to={writePlace({ part: 'users', page: page - 1 })}>Before</Link>}
                  <span>
                    Page {number(page)} of {number(last)}
                  </span>
                  {page < last && <Link to={writePlace({ part: 'users', page: page + 1 })}>Next</Link>}
                </nav>
              )}
            </>
          );
        }}
      </Answered>
      {desk.may('manage_user', 'user') ? (
        adding ? <NewUser onClose={() => setAdding(false)} /> : <Button onClick={() => setAdding(true)}>New user…</Button>
      ) : (
        <p className="quiet">Changing users needs the permission manage_user on user:*, or on one of them.</p>
      )}
    </>
  );
}

function UserTable({ users }: { users: User[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">User</th>
          <th scope="col" className="lesser">Name</th>
          <th scope="col" className="lesser">E-mail</th>
          <th scope="col">Roles</th>
          <th scope="col">State</th>
          <th scope="col" className="lesser">Last sign-in</th>
        </tr>
      </thead>
      <tbody>
        {users.map((user) => (
          <tr key={user.id}>
            <th scope="row">
              <Link to={writePlace({ part: 'users', one: user.id })}>{user.username}</Link>
            </th>
            <td className="lesser">{user.displayName}</td>
            <td className="lesser">{user.email}</td>
            <td>{user.roles.map(({ name }) => name).join(', ') || <span className="quiet">none</span>}</td>
            <td>{state(user)}</td>
            <td className="lesser time">{user.lastLoginAt === null ? <span className="quiet">never</span> : toSecond(user.lastLoginAt, 'local')}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Whether and how a user may sign in. */
export function state({ isActive, mustChangePassword }: User) {
  if (!isActive) return <span className="mark">inactive</span>;
  return mustChangePassword ? 'active, must change the password' : 'active';
}

function NewUser({ onClose }: { onClose: () => void }) {
  const { act, busy, fault } = useAction();
  return (
    <section className="panel">
      <h2>New user</h2>
      <Form
        label="New user"
        fault={fault}
        onSubmit={async (form, element) => {
          const username = String(form.get('username'));
          const made = await act(
            createUserDocument,
            {
              input: {
                username,
                displayName: String(form.get('displayName')),
                email: String(form.get('email')) || null,
                password: String(form.get('password')),
                mustChangePassword: form.has('mustChange'),
                roleIds: form.getAll('roleIds').map(String),
              },
            },
            {
              effect: 'CHANGE',
              needs: `manage_user on user:${username}`,
              clash: 'username',
              done: ({ createUser }) => {
                if (createUser) {
                  amend<{ users: { total: number; users: User[] } | null }>(['users'], (data) => ({
                    ...data,
                    users: data.users && { total: data.users.total + 1, users: [...data.users.users, createUser] },
                  }));
                }
                return `Made the user ${username}.`;
              },
            },
          );
          if (made) element.reset();
        }}
      >
        <div className="fields">
          <Text name="username" label="User name" hint="It cannot be changed." autoFocus />
          <Text name="displayName" label="Name to show" />
          <Text name="email" label="E-mail" type="email" />
          <Text name="password" label="Password" type="password" autoComplete="new-password" hint="8 characters or more." />
        </div>
        <Check name="mustChange" label="Has to change the password at the first sign-in" checked />
        <RoleChoice />
        <div className="buttons">
          <Button type="submit" kind="primary" busy={busy}>Make the user</Button>
          <Button onClick={onClose}>Close</Button>
        </div>
      </Form>
    </section>
  );
}
