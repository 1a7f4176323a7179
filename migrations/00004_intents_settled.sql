-- An intent that was left open is settled by asking what became of the effect: one server at a time, which
-- holds it until leased_until. result_code is what its row says if the effect took place.

-- +goose Up
ALTER TABLE audit_intents ADD COLUMN result_code integer NOT NULL DEFAULT 200;
ALTER TABLE audit_intents ADD COLUMN leased_until timestamptz;

-- +goose Down
ALTER TABLE audit_intents DROP COLUMN leased_until;
ALTER TABLE audit_intents DROP COLUMN result_code;
