-- Who may sign in and what they may do. The log holds no foreign key to any of these: its rows outlive them.

-- +goose Up
CREATE TABLE users (
    id             uuid         NOT NULL,
    username       varchar(255) NOT NULL,
    username_lower varchar(255) NOT NULL,
    display_name   varchar(255) NOT NULL DEFAULT '',
    email          varchar(255),
    password_hash  varchar(255) NOT NULL,
    is_active      boolean      NOT NULL DEFAULT true,
    is_builtin     boolean      NOT NULL DEFAULT false,
    must_change_pw boolean      NOT NULL DEFAULT true,
    created_at     timestamptz  NOT NULL DEFAULT now(),
    last_login_at  timestamptz,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_username_lower_key UNIQUE (username_lower),
    CONSTRAINT users_username_check CHECK (username <> '')
);

CREATE TABLE roles (
    id          uuid         NOT NULL,
    name        varchar(64)  NOT NULL,
    is_builtin  boolean      NOT NULL DEFAULT false,
    description varchar(255) NOT NULL DEFAULT '',
    CONSTRAINT roles_pkey PRIMARY KEY (id),
    CONSTRAINT roles_name_key UNIQUE (name),
    CONSTRAINT roles_name_check CHECK (name <> '')
);

CREATE TABLE permissions (
    id            uuid         NOT NULL,
    role_id       uuid         NOT NULL,
    verb          varchar(64)  NOT NULL,
    resource_glob varchar(255) NOT NULL,
    CONSTRAINT permissions_pkey PRIMARY KEY (id),
    CONSTRAINT permissions_role_id_fkey FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE
);
CREATE INDEX permissions_role_id_idx ON permissions (role_id);

CREATE TABLE user_roles (
    user_id uuid NOT NULL,
    role_id uuid NOT NULL,
    CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role_id),
    CONSTRAINT user_roles_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT user_roles_role_id_fkey FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE
);
CREATE INDEX user_roles_role_id_idx ON user_roles (role_id);

-- id_hash is SHA-256 of the session id: a copy of this table is no set of keys.
CREATE TABLE sessions (
    id_hash      bytea        NOT NULL,
    user_id      uuid         NOT NULL,
    created_at   timestamptz  NOT NULL DEFAULT now(),
    expires_at   timestamptz  NOT NULL,
    last_seen_at timestamptz  NOT NULL DEFAULT now(),
    user_agent   varchar(512) NOT NULL DEFAULT '',
    ip           varchar(64)  NOT NULL DEFAULT '',
    CONSTRAINT sessions_pkey PRIMARY KEY (id_hash),
    CONSTRAINT sessions_id_hash_check CHECK (octet_length(id_hash) = 32),
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

-- +goose Down
DROP TABLE sessions;
DROP TABLE user_roles;
DROP TABLE permissions;
DROP TABLE roles;
DROP TABLE users;
