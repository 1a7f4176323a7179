-- The moment of the last job that was given an id: the id is the moment, and no two jobs of all servers may have the same.

-- +goose Up
CREATE TABLE job_time (
    singleton boolean        NOT NULL DEFAULT true,
    last      timestamptz(6) NOT NULL,
    CONSTRAINT job_time_pkey PRIMARY KEY (singleton),
    CONSTRAINT job_time_singleton_check CHECK (singleton)
);
INSERT INTO job_time (last) VALUES ('epoch');

-- +goose Down
DROP TABLE job_time;
