-- What the peers' own statements need to be fast: a filter without a decision cannot use an index that holds one
-- decision only. They are there for all, and gone before decisions are measured.
CREATE INDEX IF NOT EXISTS bench_user_idx ON audit_log (user_id, id, action, decision);
CREATE INDEX IF NOT EXISTS bench_action_idx ON audit_log (action, id, decision);
CREATE INDEX IF NOT EXISTS bench_decision_idx ON audit_log (decision, id);
VACUUM (ANALYZE) audit_log;
CHECKPOINT;
