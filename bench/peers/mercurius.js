// Mercurius over the log: what one writes by hand with fastify and node-postgres. The
// statement is built of the filter that is given; it is prepared once for each shape and
// connection. The total is counted only when it is selected.
import Fastify from "fastify";
import mercurius from "mercurius";
import pg from "pg";
import { database, serve } from "./common.js";

// jsonb as text: it is only passed on. Times as PostgreSQL writes them, with microseconds.
const asText = { getTypeParser: (oid, format) => ([20, 114, 1184, 3802].includes(oid) ? (v) => v : pg.types.getTypeParser(oid, format)) };

const schema = `
  input Filter { userId: ID, action: String, decision: String, since: String, until: String }
  type Entry {
    id: ID!, at: String!, userId: ID, action: String!, resource: String!, argsJson: String, saltJid: String,
    decision: String!, resultCode: Int!, durationMs: Int!
  }
  type Page { total: Int!, entries: [Entry!]! }
  type Query { auditEntries(filter: Filter, limit: Int = 50, offset: Int = 0): Page! }
  type Mutation { record(action: String!, resource: String!, decision: String!, resultCode: Int!): ID! }
`;

const columns = `id, at, user_id AS "userId", action, resource, args_json AS "argsJson", salt_jid AS "saltJid", decision,
  result_code AS "resultCode", duration_ms AS "durationMs"`;
const terms = { userId: "user_id =", action: "action =", decision: "decision =", since: "at >=", until: "at <" };

function where(filter) {
  const used = Object.keys(terms).filter((k) => filter?.[k] != null);
  return {
    name: used.join(),
    text: used.length ? "WHERE " + used.map((k, i) => `${terms[k]} $${i + 1}`).join(" AND ") : "",
    values: used.map((k) => filter[k]),
  };
}

serve(async (port) => {
  const pool = new pg.Pool({ connectionString: database.url, max: database.pool, types: asText });
  const resolvers = {
    Query: { auditEntries: (_, { filter, limit, offset }) => ({ where: where(filter), limit, offset }) },
    // A row for each request, in a table of its own without an order to keep.
    Mutation: {
      record: async (_, { action, resource, decision, resultCode }) => {
        const text = `INSERT INTO bench.plain (at, user_id, action, resource, decision, result_code, duration_ms, username, verb, reason, request_id, source_ip, user_agent)
          VALUES (clock_timestamp(), $1, $2, $3, $4, $5, 0, 'bench', 'view', 'no permission matches', gen_random_uuid(), '127.0.0.1', 'bench') RETURNING id`;
        const values = ["00000000-0000-4000-8000-000000000001", action, resource, decision, resultCode];
        return (await pool.query({ name: "record", text, values })).rows[0].id;
      },
    },
    Page: {
      total: async ({ where: w }) => {
        const r = await pool.query({ name: "total " + w.name, text: `SELECT count(*) AS n FROM audit_log ${w.text}`, values: w.values });
        return Number(r.rows[0].n);
      },
      entries: async ({ where: w, limit, offset }) => {
        const n = w.values.length;
        const text = `SELECT ${columns} FROM audit_log ${w.text} ORDER BY id DESC LIMIT $${n + 1} OFFSET $${n + 2}`;
        const r = await pool.query({ name: "page " + w.name, text, values: [...w.values, limit, offset] });
        return r.rows;
      },
    },
  };
  const app = Fastify({ logger: false });
  app.register(mercurius, { schema, resolvers, jit: 1, graphiql: false });
  await app.listen({ port, host: "127.0.0.1" });
});
