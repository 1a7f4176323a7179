-- What was imported from elsewhere. The log's own columns say nothing of it: whatever binds every column of a row is the same for
-- rows that were imported and rows that were not.

-- +goose Up

-- The one import that a log can begin with, and how far it is: written in the transactions that append its entries.
CREATE TABLE audit_import (
    singleton   boolean     NOT NULL DEFAULT true,
    source      text        NOT NULL, -- as it was named, without credentials
    digest      bytea       NOT NULL, -- SHA-256 of all entries that were found in it, in the order in which they were read
    imported    bigint      NOT NULL DEFAULT 0, -- the entries 1 up to this one are there
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    CONSTRAINT audit_import_pkey PRIMARY KEY (singleton),
    CONSTRAINT audit_import_singleton_check CHECK (singleton)
);

-- Which ids the imported entries had: from id on they go on by one from source_id, up to the next row. A gap or a swap
-- makes a row; a source_id of NULL says that the entries had none.
CREATE TABLE audit_imported (
    id        bigint NOT NULL,
    source_id bigint,
    CONSTRAINT audit_imported_pkey PRIMARY KEY (id)
);

-- +goose Down
DROP TABLE audit_imported;
DROP TABLE audit_import;
