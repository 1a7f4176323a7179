-- What was dropped from the log because it was older than is kept: a row for each partition, written in the transaction
-- that dropped it. Append-only like the log.

-- +goose Up
CREATE TABLE audit_retention (
    partition      varchar(63)    NOT NULL,
    first_id       bigint         NOT NULL,
    last_id        bigint         NOT NULL, -- all ids between were in it
    first_at       timestamptz(6) NOT NULL,
    last_at        timestamptz(6) NOT NULL,
    archive        text,                    -- the name of its file; NULL: it was not archived
    archive_sha256 bytea,                   -- of the file
    dropped_at     timestamptz(6) NOT NULL DEFAULT clock_timestamp(),
    entry_id       bigint         NOT NULL, -- of the row of the log that says so
    CONSTRAINT audit_retention_pkey PRIMARY KEY (first_id),
    CONSTRAINT audit_retention_range_check CHECK (first_id <= last_id AND last_id < entry_id),
    CONSTRAINT audit_retention_archive_check CHECK ((archive IS NULL) = (archive_sha256 IS NULL) AND octet_length(archive_sha256) = 32)
);

CREATE TRIGGER audit_retention_no_change BEFORE UPDATE OR DELETE ON audit_retention
    FOR EACH ROW EXECUTE FUNCTION audit_log_refuse_change();
CREATE TRIGGER audit_retention_no_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_retention
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse_change();
ALTER TABLE audit_retention ENABLE ALWAYS TRIGGER audit_retention_no_change;
ALTER TABLE audit_retention ENABLE ALWAYS TRIGGER audit_retention_no_statement;

INSERT INTO leases (task, holder, expires_at) VALUES ('retention', '00000000-0000-0000-0000-000000000000', '-infinity');

-- +goose Down
DELETE FROM leases WHERE task = 'retention';
DROP TABLE audit_retention;
