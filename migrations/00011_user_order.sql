-- +goose Up
-- The entries of a user are asked for in an order that no other index has: the one below has
-- nulls last (audit_log_user_action_allow_idx). So it is this index that PostgreSQL uses for them, and the one below for those
-- of a user with an action, whatever its statistics say.
DROP INDEX audit_log_user_allow_idx;
DROP INDEX audit_log_user_deny_idx;
CREATE INDEX audit_log_user_allow_idx ON audit_log (user_id NULLS FIRST, id) WHERE decision = 'allow';
CREATE INDEX audit_log_user_deny_idx ON audit_log (user_id NULLS FIRST, id) WHERE decision = 'deny';

-- +goose Down
DROP INDEX audit_log_user_allow_idx;
DROP INDEX audit_log_user_deny_idx;
CREATE INDEX audit_log_user_allow_idx ON audit_log (user_id, id) WHERE decision = 'allow';
CREATE INDEX audit_log_user_deny_idx ON audit_log (user_id, id) WHERE decision = 'deny';
