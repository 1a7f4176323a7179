-- What is set while the server runs: one row. salt_password is sealed by the program; revision grows with
-- every change, so that each server sees that what it holds is old.

-- +goose Up
CREATE TABLE settings (
    singleton     boolean       NOT NULL DEFAULT true,
    revision      bigint        NOT NULL DEFAULT 1,
    updated_at    timestamptz,
    salt_url      varchar(2048) NOT NULL DEFAULT '',
    salt_username varchar(255)  NOT NULL DEFAULT '',
    salt_password text          NOT NULL DEFAULT '',
    salt_verify   boolean       NOT NULL DEFAULT true,
    salt_eauth    varchar(32)   NOT NULL DEFAULT 'pam',
    CONSTRAINT settings_pkey PRIMARY KEY (singleton),
    CONSTRAINT settings_singleton_check CHECK (singleton)
);
INSERT INTO settings DEFAULT VALUES;

-- +goose Down
DROP TABLE settings;
