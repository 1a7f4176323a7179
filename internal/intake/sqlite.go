package intake

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/url"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// openSQLite opens the audit_log of an SQLite file, and changes nothing in it.
func openSQLite(ctx context.Context, path string) (*Source, error) {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "mode=ro"}).String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	rows, err := querySQLite(ctx, db, path) //nolint:rowserrcheck // next looks at it
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return &Source{
		Name: path,
		next: func(r *row) error {
			if !rows.Next() {
				if err := rows.Err(); err != nil {
					return err
				}
				return io.EOF
			}
			into := make([]any, columns)
			for c := range r.values {
				into[c] = &r.values[c]
			}
			return rows.Scan(into...)
		},
		close: func() { _, _ = rows.Close(), db.Close() },
	}, nil
}

func querySQLite(ctx context.Context, db *sql.DB, path string) (*sql.Rows, error) {
	names, err := db.QueryContext(ctx, "SELECT name FROM pragma_table_info('audit_log')")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer func() { _ = names.Close() }()
	there := map[string]bool{}
	for names.Next() {
		var name string
		if err := names.Scan(&name); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		there[name] = true
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// Without the cast the driver would make a time of a text in a column that is declared
	// as one, and guess a zone.
	list, err := selectColumns(path, there, func(column string) string {
		if column == columnNames[colUserID] {
			return "CASE typeof(user_id) WHEN 'blob' THEN hex(user_id) ELSE CAST(user_id AS TEXT) END"
		}
		return "CAST(" + column + " AS TEXT)"
	})
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, "SELECT "+list+" FROM audit_log ORDER BY id") //nolint:gosec,sqlclosecheck // the list is of our own words; the source closes them
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}
