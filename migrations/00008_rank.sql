-- The rank index: where each filter's entries stand among themselves, so that totals and offsets cost the same at any depth.
-- A key is what a filter may name: nothing (the whole log), a user, an action, a user and an action. Every so many entries of a
-- key, the last of them closes a block, and one row says how many entries of the key there are up to that id. Rows are
-- written once, behind the log, and never updated.

-- +goose Up
CREATE TABLE audit_rank (
    kind    smallint       NOT NULL, -- sum of: 1 has a user, 2 has an action, 4 has nobody as its user
    user_id uuid           NOT NULL, -- zeros where the key has none
    action  varchar(128)   NOT NULL, -- empty where the key has none
    id      bigint         NOT NULL, -- of the entry that closed the block
    at      timestamptz(6) NOT NULL, -- its time
    allowed bigint         NOT NULL, -- entries of the key up to id
    denied  bigint         NOT NULL,
    CONSTRAINT audit_rank_pkey PRIMARY KEY (kind, user_id, action, id)
);
CREATE INDEX audit_rank_total_idx ON audit_rank (kind, user_id, action, (allowed + denied));
CREATE INDEX audit_rank_allowed_idx ON audit_rank (kind, user_id, action, allowed);
CREATE INDEX audit_rank_denied_idx ON audit_rank (kind, user_id, action, denied);
-- Of the whole log's blocks: from a moment to an id.
CREATE INDEX audit_rank_at_idx ON audit_rank (at, id) WHERE kind = 0;

-- Who does a task that one server at a time shall do. It decides who works, never what is true.
CREATE TABLE leases (
    task       varchar(64) NOT NULL,
    holder     uuid        NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT leases_pkey PRIMARY KEY (task)
);
INSERT INTO leases (task, holder, expires_at) VALUES ('rank', '00000000-0000-0000-0000-000000000000', '-infinity');

-- The allowed and the denied entries of each key are one range of one index, in the order of ids. Apart, so that the rare ones
-- among many of the other kind are found without walking through those; together they are no larger than an index of both
-- with the decision in it.
DROP INDEX audit_log_user_idx;
DROP INDEX audit_log_action_idx;
DROP INDEX audit_log_deny_idx;
CREATE INDEX audit_log_allow_idx ON audit_log (id) WHERE decision = 'allow';
CREATE INDEX audit_log_deny_idx ON audit_log (id) WHERE decision = 'deny';
CREATE INDEX audit_log_user_allow_idx ON audit_log (user_id, id) WHERE decision = 'allow';
CREATE INDEX audit_log_user_deny_idx ON audit_log (user_id, id) WHERE decision = 'deny';
CREATE INDEX audit_log_action_allow_idx ON audit_log (action, id) WHERE decision = 'allow';
CREATE INDEX audit_log_action_deny_idx ON audit_log (action, id) WHERE decision = 'deny';
CREATE INDEX audit_log_user_action_allow_idx ON audit_log (user_id, action, id) WHERE decision = 'allow';
CREATE INDEX audit_log_user_action_deny_idx ON audit_log (user_id, action, id) WHERE decision = 'deny';

-- +goose Down
DROP INDEX audit_log_allow_idx;
DROP INDEX audit_log_deny_idx;
DROP INDEX audit_log_user_allow_idx;
DROP INDEX audit_log_user_deny_idx;
DROP INDEX audit_log_action_allow_idx;
DROP INDEX audit_log_action_deny_idx;
DROP INDEX audit_log_user_action_allow_idx;
DROP INDEX audit_log_user_action_deny_idx;
CREATE INDEX audit_log_user_idx ON audit_log (user_id, id, action, decision);
CREATE INDEX audit_log_action_idx ON audit_log (action, id, decision);
CREATE INDEX audit_log_deny_idx ON audit_log (id, action) WHERE decision = 'deny';
DROP TABLE leases;
DROP TABLE audit_rank;
