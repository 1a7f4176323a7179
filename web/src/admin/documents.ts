import { graphql, type ResultOf, type VariablesOf } from '../audit/graphql.ts';

// Everything that the administration asks of the server. Each guarded field leaves a row, so that a document has one, and
// what a change answers is shown instead of being asked for again.

const userFields = graphql(`
  fragment UserFields on User @_unmask {
    id
    username
    displayName
    email
    isActive
    isBuiltin
    mustChangePassword
    createdAt
    lastLoginAt
    roles {
      id
      name
    }
  }
`);

const roleFields = graphql(`
  fragment RoleFields on Role @_unmask {
    id
    name
    isBuiltin
    description
    permissions {
      id
      verb
      resourceGlob
    }
  }
`);

const settingsFields = graphql(`
  fragment SettingsFields on Settings @_unmask {
    updatedAt
    salt {
      url
      username
      passwordSet
      verify
      eauth
    }
  }
`);

/** What the reader holds. Not recorded. */
export const heldDocument = graphql(`
  query Held {
    myPermissions {
      verb
      resourceGlob
    }
  }
`);

export const usersDocument = graphql(
  `
    query Users($limit: Int!, $offset: Int!) {
      users(limit: $limit, offset: $offset) {
        total
        users {
          ...UserFields
        }
      }
    }
  `,
  [userFields],
);

export const userDocument = graphql(
  `
    query OneUser($id: UUID!) {
      user(id: $id) {
        ...UserFields
      }
    }
  `,
  [userFields],
);

export const createUserDocument = graphql(
  `
    mutation CreateUser($input: CreateUserInput!) {
      createUser(input: $input) {
        ...UserFields
      }
    }
  `,
  [userFields],
);

export const updateUserDocument = graphql(
  `
    mutation UpdateUser($id: UUID!, $input: UpdateUserInput!) {
      updateUser(id: $id, input: $input) {
        ...UserFields
      }
    }
  `,
  [userFields],
);

export const deleteUserDocument = graphql(`
  mutation DeleteUser($id: UUID!) {
    deleteUser(id: $id)
  }
`);

export const resetPasswordDocument = graphql(`
  mutation ResetPassword($id: UUID!, $newPassword: String!, $mustChangePassword: Boolean!) {
    resetPassword(id: $id, newPassword: $newPassword, mustChangePassword: $mustChangePassword)
  }
`);

export const addUserRoleDocument = graphql(
  `
    mutation AddUserRole($userId: UUID!, $roleId: UUID!) {
      addUserRole(userId: $userId, roleId: $roleId) {
        ...UserFields
      }
    }
  `,
  [userFields],
);

export const removeUserRoleDocument = graphql(`
  mutation RemoveUserRole($userId: UUID!, $roleId: UUID!) {
    removeUserRole(userId: $userId, roleId: $roleId)
  }
`);

/** About oneself it is not recorded. */
export const canDocument = graphql(`
  query Can($verb: String!, $resource: String!, $userId: UUID) {
    can(verb: $verb, resource: $resource, userId: $userId) {
      allowed
      reason
    }
  }
`);

export const rolesDocument = graphql(
  `
    query Roles {
      roles {
        ...RoleFields
      }
    }
  `,
  [roleFields],
);

export const createRoleDocument = graphql(
  `
    mutation CreateRole($name: String!, $description: String!) {
      createRole(name: $name, description: $description) {
        ...RoleFields
      }
    }
  `,
  [roleFields],
);

export const updateRoleDocument = graphql(
  `
    mutation UpdateRole($id: UUID!, $description: String) {
      updateRole(id: $id, description: $description) {
        ...RoleFields
      }
    }
  `,
  [roleFields],
);

export const deleteRoleDocument = graphql(`
  mutation DeleteRole($id: UUID!) {
    deleteRole(id: $id)
  }
`);

export const addPermissionDocument = graphql(`
  mutation AddPermission($roleId: UUID!, $verb: String!, $resourceGlob: String!) {
    addPermission(roleId: $roleId, verb: $verb, resourceGlob: $resourceGlob) {
      id
      verb
      resourceGlob
    }
  }
`);

export const removePermissionDocument = graphql(`
  mutation RemovePermission($roleId: UUID!, $permissionId: UUID!) {
    removePermission(roleId: $roleId, permissionId: $permissionId)
  }
`);

export const settingsDocument = graphql(
  `
    query Settings {
      settings {
        ...SettingsFields
      }
    }
  `,
  [settingsFields],
);

export const updateSaltDocument = graphql(
  `
    mutation UpdateSaltSettings($input: SaltSettingsInput!) {
      updateSaltSettings(input: $input) {
        ...SettingsFields
      }
    }
  `,
  [settingsFields],
);

export const testSaltDocument = graphql(`
  mutation TestSaltSettings($input: SaltConnectionInput!) {
    testSaltSettings(input: $input) {
      ok
      detail
      minionCount
    }
  }
`);

export const testSavedDocument = graphql(`
  mutation TestSavedSaltSettings {
    testSavedSaltSettings {
      ok
      detail
      minionCount
    }
  }
`);

export const runDocument = graphql(`
  mutation Run($input: RunCommandInput!) {
    runCommand(input: $input) {
      jid
      minions
    }
  }
`);

export const jobDocument = graphql(`
  query OneJob($jid: String!) {
    job(jid: $jid) {
      jid
      fun
      args
      target
      targetType
      user
      startTime
      minions
      results {
        minion
        return
        retcode
        success
      }
    }
  }
`);

export const jobsDocument = graphql(`
  query Jobs {
    jobs(limit: 20) {
      jid
      fun
      target
      user
      startTime
    }
  }
`);

export const killJobDocument = graphql(`
  mutation KillJob($jid: String!) {
    killJob(jid: $jid)
  }
`);

export const intentsDocument = graphql(`
  query OpenIntents {
    openIntents(limit: 50) {
      id
      openedAt
      deadline
      username
      action
      resource
      saltJid
    }
  }
`);

export const keysDocument = graphql(`
  query Keys {
    keys {
      id
      status
    }
  }
`);

export const acceptKeyDocument = graphql(`
  mutation AcceptKey($id: String!) {
    acceptKey(id: $id)
  }
`);

export const rejectKeyDocument = graphql(`
  mutation RejectKey($id: String!) {
    rejectKey(id: $id)
  }
`);

export const deleteKeyDocument = graphql(`
  mutation DeleteKey($id: String!) {
    deleteKey(id: $id)
  }
`);

/** All documents, for the test that holds them against the schema. */
export const documents = [
  heldDocument,
  usersDocument,
  userDocument,
  createUserDocument,
  updateUserDocument,
  deleteUserDocument,
  resetPasswordDocument,
  addUserRoleDocument,
  removeUserRoleDocument,
  canDocument,
  rolesDocument,
  createRoleDocument,
  updateRoleDocument,
  deleteRoleDocument,
  addPermissionDocument,
  removePermissionDocument,
  settingsDocument,
  updateSaltDocument,
  testSaltDocument,
  testSavedDocument,
  runDocument,
  jobDocument,
  jobsDocument,
  killJobDocument,
  intentsDocument,
  keysDocument,
  acceptKeyDocument,
  rejectKeyDocument,
  deleteKeyDocument,
];

export type User = NonNullable<ResultOf<typeof userDocument>['user']>;
export type Role = NonNullable<ResultOf<typeof rolesDocument>['roles']>[number];
export type Settings = NonNullable<ResultOf<typeof settingsDocument>['settings']>;
export type EAuth = Settings['salt']['eauth'];
export type SaltTest = NonNullable<ResultOf<typeof testSavedDocument>['testSavedSaltSettings']>;
export type SaltInput = VariablesOf<typeof updateSaltDocument>['input'];
export type Job = NonNullable<ResultOf<typeof jobDocument>['job']>;
export type TargetType = NonNullable<VariablesOf<typeof runDocument>['input']['targetType']>;
export type Key = NonNullable<ResultOf<typeof keysDocument>['keys']>[number];
export type Held = NonNullable<ResultOf<typeof heldDocument>['myPermissions']>;
