-- What is about to be done outside of this database, written before it is begun. An intent is
-- closed together with its row; one that a crash left open is closed by whichever server finds it.

-- +goose Up
CREATE TABLE audit_intents (
    id         uuid         NOT NULL,
    opened_at  timestamptz  NOT NULL DEFAULT clock_timestamp(),
    deadline   timestamptz  NOT NULL,
    user_id    uuid,
    action     varchar(128) NOT NULL,
    resource   varchar(255) NOT NULL,
    args_json  jsonb,
    salt_jid   varchar(64),
    username   varchar(255),
    verb       varchar(64),
    reason     varchar(512),
    request_id varchar(128),
    source_ip  varchar(64),
    user_agent varchar(512),
    CONSTRAINT audit_intents_pkey PRIMARY KEY (id)
);
CREATE INDEX audit_intents_deadline_idx ON audit_intents (deadline);

-- +goose Down
LOCK TABLE audit_intents IN ACCESS EXCLUSIVE MODE;

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM audit_intents) THEN
        RAISE EXCEPTION 'an intent is open: its row is still owed' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END
$$;
-- +goose StatementEnd

DROP TABLE audit_intents;
