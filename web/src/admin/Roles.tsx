import { useState } from 'react';
import { count } from '../audit/format.ts';
import { Ask } from './Ask.tsx';
import { useAction, useDesk } from './desk.tsx';
import {
  addPermissionDocument, createRoleDocument, deleteRoleDocument, removePermissionDocument, rolesDocument, updateRoleDocument, type Role,
} from './documents.ts';
import { Button, Form, Link, Text } from './parts.tsx';
import { writePlace } from './place.ts';
import { amend, Answered, useRead } from './reading.tsx';
import { go } from '../address.ts';

/** Changes the roles that were read. */
const alter = (change: (roles: Role[]) => Role[]) => amend<{ roles: Role[] | null }>(['roles'], ({ roles }) => ({ roles: roles && change(roles) }));

const show = (role: Role) => alter((roles) => roles.map((one) => (one.id === role.id ? role : one)));

const needs = (name: string) => `manage_role on role:${name}`;

/** The roles, or one of them, with their pairs of verb and resource. */
export function Roles({ one }: { one: string | null }) {
  const desk = useDesk();
  const query = useRead(['roles'], rolesDocument, {});
  const [adding, setAdding] = useState(false);
  const mayChange = desk.may('manage_role', 'role');
  return (
    <>
      {one !== null && (
        <p>
          <Link to="/admin/roles">All roles</Link>
        </p>
      )}
      <Answered query={query} what="the roles" needs="view on role:*">
        {({ roles }) => {
          if (one === null) return <RoleTable roles={roles ?? []} />;
          const role = roles?.find(({ id }) => id === one);
          return role ? <Of role={role} mayChange={mayChange} /> : <p>There is no such role.</p>;
        }}
      </Answered>
      {one === null && mayChange && (adding ? <NewRole onClose={() => setAdding(false)} /> : <Button onClick={() => setAdding(true)}>New role…</Button>)}
      {!mayChange && <p className="quiet">Changing roles needs the permission manage_role on role:*, or on one of them.</p>}
      {one === null && <Ask />}
    </>
  );
}

function RoleTable({ roles }: { roles: Role[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Role</th>
          <th scope="col" className="lesser">What for</th>
          <th scope="col">Permissions</th>
        </tr>
      </thead>
      <tbody>
        {roles.map((role) => (
          <tr key={role.id}>
            <th scope="row">
              <Link to={writePlace({ part: 'roles', one: role.id })}>{role.name}</Link>
            </th>
            <td className="lesser">{role.description}</td>
            <td>
              <ul className="pairs">
                {role.permissions.slice(0, 8).map(({ id, verb, resourceGlob }) => (
                  <li key={id}>
                    <code>{verb}</code> on <code>{resourceGlob}</code>
                  </li>
                ))}
              </ul>
              {role.permissions.length > 8 && `and ${role.permissions.length - 8} more`}
              {role.permissions.length === 0 && <span className="quiet">none</span>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function NewRole({ onClose }: { onClose: () => void }) {
  const { act, busy, fault } = useAction();
  return (
    <section className="panel">
      <h2>New role</h2>
      <Form
        label="New role"
        fault={fault}
        onSubmit={(form) => {
          const name = String(form.get('name'));
          void act(createRoleDocument, { name, description: String(form.get('description')) }, {
            effect: 'CHANGE',
            needs: needs(name),
            clash: 'name',
            done: ({ createRole }) => {
              if (createRole) {
                alter((roles) => [...roles, createRole]);
                go(writePlace({ part: 'roles', one: createRole.id }));
              }
              return `Made the role ${name}. It has no permissions yet.`;
            },
          });
        }}
      >
        <div className="fields">
          <Text name="name" label="Name" hint="It cannot be changed." autoFocus />
          <Text name="description" label="What for" />
        </div>
        <div className="buttons">
          <Button type="submit" kind="primary" busy={busy}>Make the role</Button>
          <Button onClick={onClose}>Close</Button>
        </div>
      </Form>
    </section>
  );
}

function Of({ role, mayChange }: { role: Role; mayChange: boolean }) {
  return (
    <>
      <h2 className="subject">{role.name}</h2>
      <p className="quiet">
        {role.isBuiltin && 'Made at the first start: it cannot be deleted, and what it was made with is back at the next start. '}
        {!mayChange && role.description}
      </p>
      {mayChange && <Description key={role.description} role={role} />}
      <Pairs role={role} mayChange={mayChange} />
      {mayChange && !role.isBuiltin && <Delete role={role} />}
    </>
  );
}

function Description({ role }: { role: Role }) {
  const { act, busy, fault } = useAction();
  return (
    <Form
      label="Description"
      fault={fault}
      onSubmit={(form) =>
        void act(updateRoleDocument, { id: role.id, description: String(form.get('description')) }, {
          effect: 'CHANGE',
          needs: needs(role.name),
          done: ({ updateRole }) => {
            if (updateRole) show(updateRole);
            return `Changed the description of ${role.name}.`;
          },
        })
      }
    >
      <div className="line">
        <Text name="description" label="What for" defaultValue={role.description} />
        <Button type="submit" busy={busy}>Save</Button>
      </div>
    </Form>
  );
}

function Pairs({ role, mayChange }: { role: Role; mayChange: boolean }) {
  const { act, busy, fault } = useAction();
  return (
    <section className="panel">
      <h2>Permissions</h2>
      <p className="quiet">
        {count(role.permissions.length, 'pair', 'pairs')} of a verb and a resource. Both may be patterns: <code>*</code>, <code>?</code>, <code>[abc]</code>, <code>[!abc]</code>. A change acts with
        the next request of everybody who has the role.
      </p>
      <ul className="rows">
        {role.permissions.map(({ id, verb, resourceGlob }) => (
          <li key={id}>
            <span>
              <code>{verb}</code> on <code>{resourceGlob}</code>
            </span>
            {mayChange && (
              <Button
                busy={busy}
                aria-label={`Take away ${verb} on ${resourceGlob}`}
                onClick={() =>
                  void act(removePermissionDocument, { roleId: role.id, permissionId: id }, {
                    effect: 'CHANGE',
                    needs: needs(role.name),
                    done: () => {
                      show({ ...role, permissions: role.permissions.filter((pair) => pair.id !== id) });
                      return `Took ${verb} on ${resourceGlob} from ${role.name}.`;
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
      {mayChange && (
        <Form
          label="Give a permission"
          fault={fault}
          onSubmit={async (form, element) => {
            const [verb, resourceGlob] = [String(form.get('verb')), String(form.get('resourceGlob'))];
            const given = await act(addPermissionDocument, { roleId: role.id, verb, resourceGlob }, {
              effect: 'CHANGE',
              needs: needs(role.name),
              clash: 'resourceGlob',
              done: ({ addPermission }) => {
                if (addPermission) show({ ...role, permissions: [...role.permissions, addPermission] });
                return `Gave ${role.name} ${verb} on ${resourceGlob}.`;
              },
            });
            if (given) element.reset();
          }}
        >
          <div className="line">
            <Text name="verb" label="Verb" placeholder="accept" />
            <Text name="resourceGlob" label="Resource" placeholder="key:web-*" />
            <Button type="submit" busy={busy}>Give</Button>
          </div>
        </Form>
      )}
    </section>
  );
}

function Delete({ role }: { role: Role }) {
  const { sure } = useDesk();
  const { act, busy } = useAction();
  return (
    <section className="panel">
      <h2>Delete</h2>
      <Button
        kind="danger"
        busy={busy}
        onClick={async () => {
          if (!(await sure({ title: `Delete ${role.name}?`, text: `The role is gone for good. Who has it loses its ${count(role.permissions.length, 'permission', 'permissions')} with the next request.`, yes: 'Delete the role' }))) return;
          await act(deleteRoleDocument, { id: role.id }, {
            effect: 'CHANGE',
            needs: needs(role.name),
            done: () => {
              alter((roles) => roles.filter(({ id }) => id !== role.id));
              go('/admin/roles', 'replace');
              return `Deleted the role ${role.name}.`;
            },
          });
        }}
      >
        Delete the role…
      </Button>
    </section>
  );
}
