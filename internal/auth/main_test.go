package auth_test

import (
	"testing"

	"halite/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, false) }
