package httpapi_test

import (
	"flag"
	"testing"

	"halite/internal/pgtest"
)

// Benchmarks fill logs that would not fit into memory, so they run on a disk.
func TestMain(m *testing.M) {
	flag.Parse()
	pgtest.Main(m, flag.Lookup("test.bench").Value.String() != "")
}
