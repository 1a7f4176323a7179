import { client } from '../audit/asking.ts';
import { toSecond } from '../audit/time.ts';
import { useAction, useDesk } from './desk.tsx';
import {
  addUserRoleDocument, deleteUserDocument, removeUserRoleDocument, resetPasswordDocument, rolesDocument, updateUserDocument, userDocument,
  type User as Account,
} from './documents.ts';
import { Button, Check, Field, Form, Link, Text } from './parts.tsx';
import { Ask } from './Ask.tsx';
import { amend, Answered, useRead, type Read } from './reading.tsx';
import { go } from '../address.ts';
import { state } from './Users.tsx';

interface List {
  users: { total: number; users: Account[] } | null;
}

/** What a list that was read says of a user. */
function known(id: string): Read<{ user: Account | null }> | undefined {
  for (const [, read] of client.getQueriesData<Read<List>>({ queryKey: ['users'] })) {
    const user = read?.data.users?.users.find((one) => one.id === id);
    if (read && user) return { ...read, data: { user } };
  }
  return undefined;
}

/** Shows a user as he is now, here and in the list. */
function show(user: Account): void {
  amend<{ user: Account | null }>(['user', user.id], () => ({ user }));
  amend<List>(['users'], (data) => ({ users: data.users && { ...data.users, users: data.users.users.map((one) => (one.id === user.id ? user : one)) } }));
}

/** Takes a user out of the list. */
function forget(id: string): void {
  client.removeQueries({ queryKey: ['user', id] });
  amend<List>(['users'], (data) => ({ users: data.users && { total: data.users.total - 1, users: data.users.users.filter((one) => one.id !== id) } }));
}

/** One user, and all that can be done about him. */
export function User({ id }: { id: string }) {
  const query = useRead(['user', id], userDocument, { id }, { initial: () => known(id) });
  return (
    <>
      <p>
        <Link to="/admin/users">All users</Link>
      </p>
      <Answered query={query} what="this user" needs="view on user:<name>">
        {({ user }) => user && <Of user={user} />}
      </Answered>
    </>
  );
}

function Of({ user }: { user: Account }) {
  const desk = useDesk();
  const mayChange = desk.may('manage_user', 'user');
  return (
    <>
      <h2 className="subject">{user.username}</h2>
      <dl className="facts">
        <dt>State</dt>
        <dd>{state(user)}</dd>
        <dt>Made</dt>
        <dd>
          {toSecond(user.createdAt, 'local')}
          {user.isBuiltin && ', at the first start: cannot be deleted'}
        </dd>
        <dt>Last sign-in</dt>
        <dd>{user.lastLoginAt === null ? 'never' : toSecond(user.lastLoginAt, 'local')}</dd>
        {!mayChange && (
          <>
            <dt>Name, e-mail</dt>
            <dd>{[user.displayName, user.email].filter(Boolean).join(', ') || 'none'}</dd>
          </>
        )}
      </dl>
      {mayChange && <Details key={`${user.displayName} ${user.email} ${user.isActive}`} user={user} />}
      <UserRoles user={user} mayChange={mayChange} />
      {mayChange && <Password user={user} />}
      <Ask about={user} />
      {mayChange && !user.isBuiltin && <Delete user={user} />}
    </>
  );
}

const needs = (user: Account) => `manage_user on user:${user.username}`;

function Details({ user }: { user: Account }) {
  const { say } = useDesk();
  const { act, busy, fault } = useAction();
  return (
    <section className="panel">
      <h2>Details</h2>
      <Form
        label="Details"
        fault={fault}
        onSubmit={(form) => {
          const displayName = String(form.get('displayName'));
          const email = String(form.get('email')) || null;
          const isActive = form.has('isActive');
          const input = {
            ...(displayName !== user.displayName && { displayName }),
            ...(email !== user.email && { email }),
            ...(isActive !== user.isActive && { isActive }),
          };
          if (Object.keys(input).length === 0) return say({ kind: 'nothing', text: 'All of it is stored already.' });
          return void act(updateUserDocument, { id: user.id, input }, {
            effect: 'CHANGE',
            needs: needs(user),
            done: ({ updateUser }) => {
              if (updateUser) show(updateUser);
              return `Changed the user ${user.username}${isActive || !user.isActive ? '' : ', who is signed out everywhere'}.`;
            },
          });
        }}
      >
        <div className="fields">
          <Text name="displayName" label="Name to show" defaultValue={user.displayName} />
          <Text name="email" label="E-mail" type="email" defaultValue={user.email ?? ''} />
        </div>
        <Check name="isActive" label={<>May sign in <span className="quiet">without it, the user is signed out everywhere</span></>} checked={user.isActive} />
        <div className="buttons">
          <Button type="submit" kind="primary" busy={busy}>Save</Button>
        </div>
      </Form>
    </section>
  );
}

function UserRoles({ user, mayChange }: { user: Account; mayChange: boolean }) {
  const desk = useDesk();
  const mayList = desk.may('view', 'role');
  const roles = useRead(['roles'], rolesDocument, {}, { enabled: mayChange && mayList });
  const { act, busy, fault } = useAction();
  return (
    <section className="panel">
      <h2>Roles</h2>
      {user.roles.length === 0 && <p>This user has no role, and may do nothing.</p>}
      <ul className="rows">
        {user.roles.map((role) => (
          <li key={role.id}>
            <Link to={`/admin/roles?id=${role.id}`}>{role.name}</Link>
            {mayChange && (
              <Button
                busy={busy}
                aria-label={`Take away the role ${role.name}`}
                onClick={() =>
                  void act(removeUserRoleDocument, { userId: user.id, roleId: role.id }, {
                    effect: 'CHANGE',
                    needs: needs(user),
                    done: () => {
                      show({ ...user, roles: user.roles.filter(({ id }) => id !== role.id) });
                      return `Took the role ${role.name} from ${user.username}.`;
                    },
                  })
                }
              >
                Take away
              </Button>
            )}
          </li>
        ))}
      </ul>
      {mayChange && mayList && (
        <Answered query={roles} what="the roles" needs="view on role:*">
          {({ roles: all }) => {
            const others = (all ?? []).filter(({ id }) => !user.roles.some((role) => role.id === id));
            if (others.length === 0) return <p className="quiet">There is no other role.</p>;
            return (
              <Form
                label="Give a role"
                fault={fault}
                onSubmit={(form) => {
                  const roleId = String(form.get('roleId'));
                  const name = others.find(({ id }) => id === roleId)?.name ?? '';
                  void act(addUserRoleDocument, { userId: user.id, roleId }, {
                    effect: 'CHANGE',
                    needs: needs(user),
                    done: ({ addUserRole }) => {
                      if (addUserRole) show(addUserRole);
                      return `Gave ${user.username} the role ${name}.`;
                    },
                  });
                }}
              >
                <div className="line">
                  <Field
                    name="roleId"
                    label="Another role"
                    control={(tied) => (
                      <select {...tied}>
                        {others.map(({ id, name }) => (
                          <option key={id} value={id}>
                            {name}
                          </option>
                        ))}
                      </select>
                    )}
                  />
                  <Button type="submit" busy={busy}>Give</Button>
                </div>
              </Form>
            );
          }}
        </Answered>
      )}
    </section>
  );
}

function Password({ user }: { user: Account }) {
  const { act, busy, fault } = useAction();
  return (
    <section className="panel">
      <h2>Password</h2>
      <p className="quiet">A new password ends all sessions of {user.username}.</p>
      <Form
        label="Password"
        fault={fault}
        onSubmit={async (form, element) => {
          const mustChangePassword = form.has('mustChange');
          const set = await act(resetPasswordDocument, { id: user.id, newPassword: String(form.get('newPassword')), mustChangePassword }, {
            effect: 'CHANGE',
            needs: needs(user),
            done: () => {
              show({ ...user, mustChangePassword });
              return `Set the password of ${user.username}, whose sessions have ended.`;
            },
          });
          if (set) element.reset();
        }}
      >
        <Text name="newPassword" label="New password" type="password" autoComplete="new-password" hint="8 characters or more." />
        <Check name="mustChange" label="Has to change it at the next sign-in" checked />
        <div className="buttons">
          <Button type="submit" kind="primary" busy={busy}>Set the password</Button>
        </div>
      </Form>
    </section>
  );
}

function Delete({ user }: { user: Account }) {
  const { sure } = useDesk();
  const { act, busy } = useAction();
  return (
    <section className="panel">
      <h2>Delete</h2>
      <Button
        kind="danger"
        busy={busy}
        onClick={async () => {
          const yes = await sure({
            title: `Delete ${user.username}?`,
            text: `The account is gone for good, and its sessions end. What ${user.username} did stays in the log. To shut somebody out for a time, take “May sign in” away instead.`,
            yes: 'Delete the user',
          });
          if (!yes) return;
          await act(deleteUserDocument, { id: user.id }, {
            effect: 'CHANGE',
            needs: needs(user),
            done: () => {
              forget(user.id);
              go('/admin/users', 'replace');
              return `Deleted the user ${user.username}.`;
            },
          });
        }}
      >
        Delete the user…
      </Button>
    </section>
  );
}
