-- A table for single commits: the log's columns and indexes, ids from a sequence, no order to keep, no triggers.
DROP INDEX IF EXISTS bench_user_idx, bench_action_idx, bench_decision_idx;
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench AUTHORIZATION halite;
SET ROLE halite;
CREATE TABLE bench.plain (LIKE audit_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE bench.plain ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE bench.plain ADD PRIMARY KEY (id, at);
CREATE INDEX ON bench.plain (id) WHERE decision = 'allow';
CREATE INDEX ON bench.plain (id) WHERE decision = 'deny';
CREATE INDEX ON bench.plain (user_id, id) WHERE decision = 'allow';
CREATE INDEX ON bench.plain (user_id, id) WHERE decision = 'deny';
CREATE INDEX ON bench.plain (action, id) WHERE decision = 'allow';
CREATE INDEX ON bench.plain (action, id) WHERE decision = 'deny';
CREATE INDEX ON bench.plain (user_id, action, id) WHERE decision = 'allow';
CREATE INDEX ON bench.plain (user_id, action, id) WHERE decision = 'deny';
RESET ROLE;
CHECKPOINT;
