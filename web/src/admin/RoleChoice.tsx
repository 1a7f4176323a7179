import { useDesk } from './desk.tsx';
import { rolesDocument } from './documents.ts';
import { Check } from './parts.tsx';
import { Answered, useRead } from './reading.tsx';

/** The roles, as boxes to tick under the name roleIds. */
export function RoleChoice() {
  const mayList = useDesk().may('view', 'role');
  const query = useRead(['roles'], rolesDocument, {}, { enabled: mayList });
  if (!mayList) return <p className="quiet">Roles cannot be chosen here: listing them needs the permission view on role:*.</p>;
  return (
    <fieldset>
      <legend>Roles</legend>
      <Answered query={query} what="the roles" needs="view on role:*">
        {({ roles }) => (
          <div className="ticks">
            {roles?.map(({ id, name, description }) => (
              <Check
                key={id}
                name="roleIds"
                value={id}
                label={
                  <>
                    {name} <span className="quiet">{description}</span>
                  </>
                }
              />
            ))}
          </div>
        )}
      </Answered>
    </fieldset>
  );
}
