// Package faults holds the fault table of the log: what is killed or cut, when, and
// what must be true of the log and of its callers afterwards. It has tests only.
package faults

import (
	"testing"

	"halite/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, true) }
