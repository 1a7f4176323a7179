-- The Merkle tree over the log. The leaf of entry n has the index n - 1; hashes are kept in tiles of 256, on every eighth level of the
-- tree, and only those of the right edge grow. Nothing here refers to the log: hashes outlive the rows that they were made of.

-- +goose Up
CREATE TABLE tree_tile (
    level  smallint NOT NULL, -- 0: leaves; each further one is eight levels of the tree up
    n      bigint   NOT NULL, -- from 0, from the left
    hashes bytea    NOT NULL, -- one after another, 32 bytes each
    CONSTRAINT tree_tile_pkey PRIMARY KEY (level, n),
    CONSTRAINT tree_tile_check CHECK (level BETWEEN 0 AND 7 AND n >= 0),
    CONSTRAINT tree_tile_hashes_check CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0)
);
-- Hashes cannot be compressed.
ALTER TABLE tree_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- How far the log is sealed. Whoever lets the tree grow moves this on from where it was found, in the same statement.
CREATE TABLE tree_head (
    singleton boolean        NOT NULL DEFAULT true,
    size      bigint         NOT NULL, -- leaves: the entries 1 up to this one
    root      bytea          NOT NULL,
    last_at   timestamptz(6) NOT NULL, -- of the last of them
    sealed_at timestamptz    NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT tree_head_pkey PRIMARY KEY (singleton),
    CONSTRAINT tree_head_singleton_check CHECK (singleton),
    CONSTRAINT tree_head_root_check CHECK (octet_length(root) = 32)
) WITH (fillfactor = 10);
-- The root of nothing is SHA-256 of nothing.
INSERT INTO tree_head (size, root, last_at) VALUES (0, sha256(''), '-infinity');

-- What was signed. The last one stays; older ones are thinned out.
CREATE TABLE checkpoint (
    size      bigint      NOT NULL,
    root      bytea       NOT NULL,
    note      bytea       NOT NULL, -- as it was signed
    signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT checkpoint_pkey PRIMARY KEY (size),
    CONSTRAINT checkpoint_root_check CHECK (octet_length(root) = 32)
);

-- What was found that is not as it was sealed, as long as it is so.
CREATE TABLE tree_mismatch (
    kind     varchar(32) NOT NULL,
    id       bigint      NOT NULL, -- of the first entry that it is about
    detail   text        NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT tree_mismatch_pkey PRIMARY KEY (kind, id)
);

INSERT INTO leases (task, holder, expires_at) VALUES ('tree', '00000000-0000-0000-0000-000000000000', '-infinity');

-- +goose StatementBegin
CREATE FUNCTION tree_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the tree of the audit log only grows: % on % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION checkpoint_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NOT EXISTS (SELECT FROM checkpoint WHERE size >= NEW.size) THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW' THEN
        IF EXISTS (SELECT FROM checkpoint WHERE size > OLD.size) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'checkpoints only grow and the last one stays: % refused', TG_OP
        USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'checkpoint_grows';
END
$$;
-- +goose StatementEnd

CREATE TRIGGER tree_tile_grow BEFORE UPDATE ON tree_tile FOR EACH ROW
    WHEN (NEW.level <> OLD.level OR NEW.n <> OLD.n OR octet_length(NEW.hashes) <= octet_length(OLD.hashes)
        OR substring(NEW.hashes FROM 1 FOR octet_length(OLD.hashes)) <> OLD.hashes)
    EXECUTE FUNCTION tree_refuse_change();
CREATE TRIGGER tree_tile_no_delete BEFORE DELETE ON tree_tile FOR EACH ROW EXECUTE FUNCTION tree_refuse_change();
CREATE TRIGGER tree_tile_no_truncate BEFORE TRUNCATE ON tree_tile FOR EACH STATEMENT EXECUTE FUNCTION tree_refuse_change();
CREATE TRIGGER tree_head_forward BEFORE UPDATE ON tree_head FOR EACH ROW
    WHEN (NEW.size <= OLD.size OR NEW.last_at < OLD.last_at) EXECUTE FUNCTION tree_refuse_change();
CREATE TRIGGER tree_head_one_row BEFORE INSERT OR DELETE ON tree_head FOR EACH ROW EXECUTE FUNCTION tree_refuse_change();
CREATE TRIGGER tree_head_no_truncate BEFORE TRUNCATE ON tree_head FOR EACH STATEMENT EXECUTE FUNCTION tree_refuse_change();
CREATE TRIGGER checkpoint_grow BEFORE INSERT OR UPDATE OR DELETE ON checkpoint FOR EACH ROW EXECUTE FUNCTION checkpoint_refuse_change();
CREATE TRIGGER checkpoint_no_truncate BEFORE TRUNCATE ON checkpoint FOR EACH STATEMENT EXECUTE FUNCTION checkpoint_refuse_change();

ALTER TABLE tree_tile ENABLE ALWAYS TRIGGER tree_tile_grow;
ALTER TABLE tree_tile ENABLE ALWAYS TRIGGER tree_tile_no_delete;
ALTER TABLE tree_tile ENABLE ALWAYS TRIGGER tree_tile_no_truncate;
ALTER TABLE tree_head ENABLE ALWAYS TRIGGER tree_head_forward;
ALTER TABLE tree_head ENABLE ALWAYS TRIGGER tree_head_one_row;
ALTER TABLE tree_head ENABLE ALWAYS TRIGGER tree_head_no_truncate;
ALTER TABLE checkpoint ENABLE ALWAYS TRIGGER checkpoint_grow;
ALTER TABLE checkpoint ENABLE ALWAYS TRIGGER checkpoint_no_truncate;

-- +goose Down
LOCK TABLE tree_tile IN ACCESS EXCLUSIVE MODE;

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM tree_tile) THEN
        RAISE EXCEPTION 'the log is sealed' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END
$$;
-- +goose StatementEnd

DELETE FROM leases WHERE task = 'tree';
DROP TABLE tree_mismatch;
DROP TABLE checkpoint;
DROP TABLE tree_head;
DROP TABLE tree_tile;
DROP FUNCTION checkpoint_refuse_change();
DROP FUNCTION tree_refuse_change();
