package db_test

import (
	"flag"
	"testing"

	"halite/internal/pgtest"
)

// Benchmarks are about durable writes, so they run on a disk.
func TestMain(m *testing.M) {
	flag.Parse()
	pgtest.Main(m, flag.Lookup("test.bench").Value.String() != "")
}
