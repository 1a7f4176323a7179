import { graphql, type ResultOf, type VariablesOf } from './graphql.ts';

// Everything that the page asks of the server. Each guarded field leaves a row in the log, so that none is asked for
// without a reason that the reader gave.

/** A page of the log. */
export const listDocument = graphql(`
  query AuditLog($filter: AuditFilter, $limit: Int!, $offset: Int!) {
    auditEntries(filter: $filter, limit: $limit, offset: $offset) {
      total
      totalIsExact
      searchedTo
      asOf
      entries {
        id
        at
        userId
        username
        action
        resource
        decision
        resultCode
        durationMs
        saltJid
      }
    }
  }
`);

/** What is written to the log from now on. It leaves a row at its beginning and one at its end. */
export const liveDocument = graphql(`
  subscription AuditLive($filter: AuditFilter, $after: ID!) {
    auditEntryAdded(filter: $filter, after: $after) {
      id
      at
      userId
      username
      action
      resource
      decision
      resultCode
      durationMs
      saltJid
    }
  }
`);

/** How many entries a filter selects. */
export const countDocument = graphql(`
  query AuditCount($filter: AuditFilter) {
    auditEntries(filter: $filter, limit: 1) {
      total
      totalIsExact
    }
  }
`);

/** One entry, with all that is recorded of it. */
export const entryDocument = graphql(`
  query AuditEntry($id: ID!) {
    auditEntry(id: $id) {
      id
      at
      userId
      username
      action
      verb
      resource
      decision
      reason
      resultCode
      durationMs
      saltJid
      requestId
      sourceIp
      userAgent
      argsJson
    }
  }
`);

/** What the reader may do here. About oneself it is not recorded. */
export const rightsDocument = graphql(`
  query Rights {
    log: can(verb: "view", resource: "audit:*") {
      allowed
      reason
    }
    users: can(verb: "view", resource: "user:*") {
      allowed
    }
    export: can(verb: "export", resource: "audit:*") {
      allowed
    }
  }
`);

/** Whom to suggest as a user. */
export const usersDocument = graphql(`
  query UserNames {
    users(limit: 500) {
      users {
        id
        username
      }
    }
  }
`);

/** Which actions to suggest. */
export const actionsDocument = graphql(`
  query Actions {
    auditActions
  }
`);

/** How the entries of a filter are spread over time. */
export const statsDocument = graphql(`
  query AuditStats($filter: AuditFilter) {
    auditStats(filter: $filter) {
      bucket
      isExact
      buckets {
        since
        until
        allowed
        denied
      }
    }
  }
`);

/** What the entries of a filter have most often. Each field leaves a row of its own. */
export const facetsDocument = graphql(`
  query AuditFacets($filter: AuditFilter) {
    users: auditFacets(filter: $filter, field: USER, limit: 6) {
      isExact
      values {
        value
        name
        allowed
        denied
      }
    }
    actions: auditFacets(filter: $filter, field: ACTION, limit: 6) {
      isExact
      values {
        value
        name
        allowed
        denied
      }
    }
    resources: auditFacets(filter: $filter, field: RESOURCE, limit: 6) {
      isExact
      values {
        value
        name
        allowed
        denied
      }
    }
  }
`);

/** All documents, for the test that holds them against the schema. */
export const documents = [listDocument, liveDocument, countDocument, entryDocument, rightsDocument, usersDocument, actionsDocument, statsDocument, facetsDocument];

export type FilterInput = NonNullable<VariablesOf<typeof listDocument>['filter']>;
export type Bucket = NonNullable<ResultOf<typeof statsDocument>['auditStats']>['buckets'][number];
export type Facets = NonNullable<ResultOf<typeof facetsDocument>['users']>;
export type Rights = ResultOf<typeof rightsDocument>;
/** An entry as a row of the table shows it. */
export type Row = NonNullable<ResultOf<typeof listDocument>['auditEntries']>['entries'][number];
/** An entry with all that is recorded of it. */
export type Entry = NonNullable<ResultOf<typeof entryDocument>['auditEntry']>;
