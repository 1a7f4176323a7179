// Package pgembed runs a private, real PostgreSQL server as a child process:
// the database of an installation that was given none.
//
// One folder holds everything of one server:
//
//	<Dir>/postgres/lock        flock, held as long as the server may run
//	<Dir>/postgres/data        the cluster (data.new while it is being made)
//	<Dir>/postgres/run         the socket
//	<Dir>/postgres/server.log  what the server says; one older file beside it
//
// The server is reachable over its Unix socket only, and only the account that
// it runs as can enter the socket's folder. It has the life of its parent: it
// leaves when Stop is called, and when the parent dies by whatever cause (on
// Linux at once, elsewhere when the next Start finds it).
//
// fsync, full_page_writes and synchronous_commit are on and cannot be switched
// off by a configuration file. A cluster is never upgraded, moved or removed by
// this package; only an unfinished data.new is.
//
// Not possible, with DATABASE_URL as the way out: an account without a line in
// the password file, root without the right to become another user, Windows.
package pgembed
