package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"
)

// Source is a log that was kept elsewhere. It is for one goroutine.
type Source struct {
	Name string // as it was named, without credentials

	next  func(into *row) error // io.EOF behind the last row
	close func()
}

// Close lets go of the source.
func (s *Source) Close() { s.close() }

// Open opens the source that spec names: a URL that begins with postgres:// or
// postgresql://, a URL that begins with sqlite: or the path of an SQLite file, the path of
// an NDJSON file, or `-` for NDJSON on stdin. A driver in the scheme, as SQLAlchemy has
// it, is passed over. Errors never hold credentials.
func Open(ctx context.Context, spec string, stdin io.Reader) (*Source, error) {
	if spec == "-" {
		return newLines("standard input", stdin, func() {}), nil
	}
	if m := scheme.FindStringSubmatch(spec); m != nil {
		if m[1] == "sqlite" {
			// As SQLAlchemy has it: three slashes before a relative path, four before an absolute one.
			return openSQLite(ctx, strings.TrimPrefix(m[2], "///"))
		}
		return openPostgres(ctx, "postgres:"+m[2])
	}
	f, err := os.Open(spec)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	begin := make([]byte, len(sqliteMagic))
	n, err := io.ReadFull(f, begin)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		_ = f.Close()
		return nil, fmt.Errorf("source: %w", err)
	}
	if string(begin) == sqliteMagic {
		_ = f.Close()
		return openSQLite(ctx, spec)
	}
	// What was read is put before the rest, not sought back to: it may be a pipe.
	return newLines(spec, io.MultiReader(bytes.NewReader(begin[:n]), f), func() { _ = f.Close() }), nil
}

var scheme = regexp.MustCompile(`^(postgres|postgresql|sqlite)(?:\+[a-z0-9]+)?:(.*)$`)

// sqliteMagic begins every SQLite file.
const sqliteMagic = "SQLite format 3\x00"

// withoutCredentials is a database's URL as it may be shown: neither user nor password
// nor parameters, among which a password may be.
func withoutCredentials(u *url.URL) string {
	return (&url.URL{Scheme: "postgres", Host: u.Host, Path: u.Path}).String()
}

// selectColumns is the select list that reads the columns which are there, in our order,
// each as text by way of cast. A column that is missing but required is an error.
func selectColumns(name string, there map[string]bool, cast func(column string) string) (string, error) {
	if len(there) == 0 {
		return "", fmt.Errorf("%s: there is no table audit_log", name)
	}
	list := make([]string, columns)
	for c, column := range columnNames {
		list[c] = "NULL"
		if there[column] {
			list[c] = cast(column)
		}
	}
	for _, c := range append([]int{colID}, required...) {
		if !there[columnNames[c]] {
			return "", fmt.Errorf("%s: the table audit_log has no column %s", name, columnNames[c])
		}
	}
	return strings.Join(list, ", "), nil
}
