package intake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/jackc/pgx/v5"
)

// openPostgres opens the audit_log of a PostgreSQL database. One statement reads it, so
// that what is read is of one moment.
func openPostgres(ctx context.Context, spec string) (*Source, error) {
	u, err := url.Parse(spec)
	if err != nil {
		return nil, errors.New("source: not a valid postgres:// URL") // the parser's message may hold the password
	}
	name := withoutCredentials(u)
	cfg, err := pgx.ParseConfig(spec)
	if err != nil {
		return nil, errors.New("source: not a valid postgres:// URL")
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	for setting, value := range map[string]string{
		"TimeZone": "UTC", "DateStyle": "ISO", "client_encoding": "UTF8", "default_transaction_read_only": "on", "application_name": "halite import",
	} {
		cfg.RuntimeParams[setting] = value
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	rows, err := queryPostgres(ctx, conn, name)
	if err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return &Source{
		Name: name,
		next: func(r *row) error {
			if !rows.Next() {
				if err := rows.Err(); err != nil {
					return err
				}
				return io.EOF
			}
			for c, raw := range rows.RawValues() {
				r.values[c] = sql.NullString{String: string(raw), Valid: raw != nil}
			}
			return nil
		},
		close: func() {
			_ = conn.Close(context.WithoutCancel(ctx)) // before the rows, which would else be read to their end
			rows.Close()
		},
	}, nil
}

func queryPostgres(ctx context.Context, conn *pgx.Conn, name string) (pgx.Rows, error) {
	names, err := conn.Query(ctx, "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass('audit_log') AND attnum > 0 AND NOT attisdropped")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	all, err := pgx.CollectRows(names, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	there := map[string]bool{}
	for _, column := range all {
		there[column] = true
	}
	list, err := selectColumns(name, there, func(column string) string {
		if column == columnNames[colAt] {
			return "at::timestamptz::text" // without a zone it is taken as the session's, UTC
		}
		return column + "::text"
	})
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, "SELECT "+list+" FROM audit_log ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rows, nil
}
