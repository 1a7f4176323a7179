/** The operations that the editor opens with. A tab is named by its operation. */
export function examples(now: Date): { query: string }[] {
  const weekAgo = new Date(now.getTime() - 7 * 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
  return [{ query: latestDenials }, { query: signIns(weekAgo) }, { query: whoAmI }];
}

// Lines stay within 48 columns, which is what a small screen shows without scrolling.

const latestDenials = `# Latest denials: what was refused, to whom and
# why, the newest first.
#
# Run it with the play button or Ctrl+Enter.
# "total" counts all denials in the log; the
# first ten are listed. For the next page, add
# "offset: 10" below "limit: 10". Ctrl+Space
# between the braces offers the other fields;
# the book icon on the left describes them all.
query LatestDenials {
  auditEntries(
    filter: { decision: DENY }
    limit: 10
  ) {
    total
    entries {
      id
      at
      username
      action
      resource
      resultCode
      reason
      sourceIp
    }
  }
}
`;

const signIns = (since: string) => `# Sign-ins of the last seven days, accepted and
# refused.
#
# All parts of a filter have to hold. An action
# is matched exactly; try "audit.list". "since"
# is included, "until" is not; both are UTC. For
# one user alone, add "userId" with the value
# that an entry of that user shows.
query SignIns {
  auditEntries(
    filter: {
      action: "auth.login"
      since: "${since}T00:00:00Z"
    }
    limit: 20
  ) {
    total
    entries {
      id
      at
      userId
      username
      decision
      resultCode
      durationMs
      sourceIp
      userAgent
    }
  }
}
`;

const whoAmI = `# Who am I, and what may I do?
#
# A permission is a verb and a pattern for
# resources: reading the log takes "view" on
# "audit:*". A field that is refused is null and
# says why under "errors"; the others answer all
# the same. Reading the log, as "firstEntry"
# does here, is recorded in it too.
query WhoAmI {
  me {
    username
    displayName
    mustChangePassword
    permissions {
      verb
      resourceGlob
    }
  }
  firstEntry: auditEntry(id: "1") {
    at
    action
    decision
    argsJson
  }
}
`;
