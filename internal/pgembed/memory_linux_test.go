package pgembed

import (
	"strconv"
	"testing"
)

// TestMemoryKept: a statement like the one before it takes no memory of the system anew.
// Without a word to glibc, those of some hundred kilobytes do, each time.
func TestMemoryKept(t *testing.T) {
	t.Parallel()
	s := start(t, newDir(t))
	const times = 200
	do(t, asSuperuser(s.URL()), `
		CREATE FUNCTION faults() RETURNS bigint LANGUAGE sql AS $$ SELECT split_part(pg_read_file('/proc/self/stat'), ' ', 10)::bigint $$;
		CREATE FUNCTION most(times int) RETURNS bigint LANGUAGE plpgsql AS $$
		DECLARE a bigint; most bigint := 0;
		BEGIN
			FOR n IN 1..10 LOOP
				a := faults();
				FOR k IN 1..times LOOP
					PERFORM count(*) FROM (SELECT g FROM generate_series(1, n * 1000) AS g GROUP BY g) AS t;
				END LOOP;
				most := greatest(most, faults() - a);
			END LOOP;
			RETURN most;
		END $$`)
	got := ask(t, asSuperuser(s.URL()), "SELECT most("+strconv.Itoa(times)+")::text")
	if n, err := strconv.Atoi(got); err != nil || n > 3*times { // 100 a statement and more without
		t.Errorf("%s page faults in %d statements", got, times)
	}
}
