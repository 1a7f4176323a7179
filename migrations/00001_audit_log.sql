-- The log. Rows are identified by id alone; `at` is part of the key only because PostgreSQL wants the
-- partition key in it. What keeps ids unique and contiguous is the lock on audit_head, nothing else.

-- +goose Up
CREATE TABLE audit_log (
    id          bigint         NOT NULL,
    at          timestamptz(6) NOT NULL,
    user_id     uuid,
    action      varchar(128)   NOT NULL,
    resource    varchar(255)   NOT NULL,
    args_json   jsonb,
    salt_jid    varchar(64),
    decision    varchar(16)    NOT NULL,
    result_code integer        NOT NULL,
    duration_ms integer        NOT NULL DEFAULT 0,
    username    varchar(255),
    verb        varchar(64),
    reason      varchar(512),
    request_id  varchar(128),
    source_ip   varchar(64),
    user_agent  varchar(512),
    CONSTRAINT audit_log_pkey PRIMARY KEY (id, at),
    CONSTRAINT audit_log_decision_check CHECK (decision IN ('allow', 'deny')),
    CONSTRAINT audit_log_args_json_check CHECK (args_json <> 'null')
) PARTITION BY RANGE (at);

-- Ascending, the other filter columns behind as key columns: new rows land on the right edge, and a
-- descending page reads an ascending index backward at the same cost.
CREATE INDEX audit_log_user_idx ON audit_log (user_id, id, action, decision);
CREATE INDEX audit_log_action_idx ON audit_log (action, id, decision);
CREATE INDEX audit_log_deny_idx ON audit_log (id, action) WHERE decision = 'deny';

-- The sequencer. The one row is updated as late as possible by the transaction that writes entries;
-- its row lock orders them. A sequence would leave holes after a rollback.
CREATE TABLE audit_head (
    singleton boolean     NOT NULL DEFAULT true,
    last_id   bigint      NOT NULL,
    last_at   timestamptz NOT NULL,
    CONSTRAINT audit_head_pkey PRIMARY KEY (singleton),
    CONSTRAINT audit_head_singleton_check CHECK (singleton)
) WITH (fillfactor = 10);

INSERT INTO audit_head (last_id, last_at) VALUES (0, 'epoch');

-- Citus refuses triggers on distributed tables unless told; plain PostgreSQL takes this as an unknown setting.
SET LOCAL citus.enable_unsafe_triggers = on;

-- +goose StatementBegin
CREATE FUNCTION audit_log_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % on % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION audit_head_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the head of the audit log is one row that only moves forward: % refused', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;
-- +goose StatementEnd

CREATE TRIGGER audit_log_no_change BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_refuse_change();
CREATE TRIGGER audit_log_no_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse_change();
-- WHEN, so that a step forward costs no call.
CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head
    FOR EACH ROW WHEN (NEW.last_id <= OLD.last_id OR NEW.last_at < OLD.last_at)
    EXECUTE FUNCTION audit_head_refuse_change();
CREATE TRIGGER audit_head_one_row BEFORE INSERT OR DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_head_refuse_change();
CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_head_refuse_change();

-- ALWAYS: they also fire in sessions with session_replication_role = replica.
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_no_change;
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_no_statement;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_forward;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_one_row;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_no_truncate;

-- +goose Down
LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE;

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM audit_log) THEN
        RAISE EXCEPTION 'the audit log has rows' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END
$$;
-- +goose StatementEnd

DROP TABLE audit_log;
DROP TABLE audit_head;
DROP FUNCTION audit_log_refuse_change();
DROP FUNCTION audit_head_refuse_change();
