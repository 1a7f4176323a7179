package metrics

import "github.com/prometheus/client_golang/prometheus"

// described are the metrics that are asked for at a scrape.
var described []*prometheus.Desc

func describe(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc("halite_"+name, help, labels, nil)
	described = append(described, d)
	return d
}

// The table in docs/operations.md says what each is for.
var (
	entries     = describe("entries_appended_total", "Entries that this server made durable, by decision.", "decision")
	unavailable = describe("audit_unavailable_total", "Actions refused, or of unknown outcome, because no row could be written, by reason.", "reason")
	queue       = describe("recorder_queue_entries", "Callers waiting in line for the recorder.")
	queueLimit  = describe("recorder_queue_limit_entries", "Callers that may wait; more are refused.")

	lastID    = describe("log_last_id", "Id of the last entry, as far as this server knows.")
	size      = describe("log_size_bytes", "Size of the log with its indexes.")
	oldestAge = describe("log_oldest_entry_age_seconds", "Age of the oldest entry that is kept.")
	rankLag   = describe("rank_index_lag_entries", "Entries that the rank index does not have yet.")
	intents   = describe("intents_open", "Effects elsewhere that were begun and are not closed by a row yet.")
	diskFree  = describe("disk_free_ratio", "Share of the disk under the log that is free; absent where it is not known.")

	sealed     = describe("tree_size_entries", "Entries in the tree.")
	signed     = describe("checkpoint_size_entries", "Entries in the latest checkpoint; 0 where there is none.")
	signedAge  = describe("checkpoint_age_seconds", "How long ago the latest checkpoint was signed.")
	signer     = describe("checkpoint_signer", "1 if this server is the one that signs checkpoints.")
	mismatches = describe("log_mismatches", "Open mismatches: places where the log is not as it was sealed.")
	walked     = describe("log_checked_id", "Entry that the check of the whole log, from the newest to the oldest, has come to on this server.")

	liveStreams = describe("live_streams", "Live streams that are open.")
	liveLimit   = describe("live_streams_limit", "Live streams that may be open.")

	up              = describe("database_up", "1 if the database answered this scrape in time.")
	connections     = describe("database_connections", "Connections to the database, by pool and state.", "pool", "state")
	connectionLimit = describe("database_connections_limit", "Connections that a pool may have.", "pool")
	connectionWaits = describe("database_connection_waits_total", "Times that a connection had to be waited for, by pool.", "pool")
)
