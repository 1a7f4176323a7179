// Bench measures halite side by side with what one would pick instead on the same table,
// in one run by turns: PostGraphile and Mercurius, and pgbench with the SQL of a REST
// request as the limit. It asks from outside, over HTTP, as a client would. See
// docs/performance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"
)

// plan is what is to be measured, and how long.
type plan struct {
	rows      int64
	seed      uint64
	months    int
	rounds    int
	slot      time.Duration  // how long a server is asked in a round
	binary    string         // halite
	peers     string         // folder of the peers' servers; empty: without them
	processes int            // of each peer
	data      string         // folder of the database; empty: a temporary one
	cases     *regexp.Regexp // names of the pages to measure, and nothing besides; nil: everything
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

func run(ctx context.Context) error {
	var p plan
	flag.Int64Var(&p.rows, "rows", 1_000_000, "rows of the log")
	flag.Uint64Var(&p.seed, "seed", 1, "seed of the rows")
	flag.IntVar(&p.months, "months", 12, "months over which they are spread")
	flag.IntVar(&p.rounds, "rounds", 5, "rounds, after one that does not count")
	flag.DurationVar(&p.slot, "slot", 800*time.Millisecond, "how long each server is asked in a round")
	flag.StringVar(&p.binary, "halite", "bin/halite", "the program to measure")
	flag.StringVar(&p.peers, "peers", "bench/peers", "folder of the peers' servers; empty: without them")
	flag.IntVar(&p.processes, "processes", 1, "processes of each peer: Node.js computes with one core in each")
	flag.StringVar(&p.data, "data", "", "folder of the database, kept and used again; empty: a temporary one")
	only := flag.String("cases", "", "measure nothing but the pages whose names match this regular expression")
	results := flag.String("results", "bench/results", "folder of what was measured")
	from := flag.String("from", "", "print and publish this file of an earlier run, and measure nothing")
	publish := flag.Bool("publish", false, "write docs/benchmark/*.svg and the tables of docs/performance.md; refused if the machine was busy")
	flag.Parse()
	if p.rows < 1_100 || p.rounds < 1 || p.processes < 1 || p.slot < 50*time.Millisecond || flag.NArg() > 0 {
		return errors.New("-rows must be 1100 or more, -rounds and -processes 1 or more, -slot 50ms or more, and nothing besides")
	}
	var r *report
	var err error
	if *only != "" {
		if p.cases, err = regexp.Compile(*only); err != nil || *publish {
			return errors.Join(err, errors.New("-cases takes a regular expression, and is not for the documentation"))
		}
	}
	if *from != "" {
		r, err = readReport(*from)
	} else if r, err = measure(ctx, p); r != nil && len(r.Groups) > 0 { // what was measured before a failure too
		err = errors.Join(err, r.save(filepath.Join(*results, r.Began.UTC().Format("20060102-150405")+".json")))
	}
	if err != nil {
		return err
	}
	fmt.Print(r.markdown())
	if *publish {
		return r.publish("docs")
	}
	return nil
}

// measure fills a log, starts everything beside it, and measures.
func measure(ctx context.Context, p plan) (_ *report, err error) {
	s, err := startStack(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	r := &report{Began: time.Now(), Machine: s.machine(ctx), Rounds: p.rounds, Slot: p.slot, Processes: p.processes}
	if r.Machine.Load >= quietLoad {
		say("the machine is busy (load %.2f): good for trying, not for figures", r.Machine.Load)
	}
	b := &bench{plan: p, stack: s, report: r}
	type step struct {
		name string
		do   func(context.Context) error
	}
	steps := []step{{"answers compared", b.compare}, {"pages", b.pages}}
	if p.cases == nil {
		steps = slices.Concat([]step{{"start-up", b.startUp}}, steps, []step{{"reads recorded", b.recorded}, {"decisions", b.decisions}})
	}
	for _, step := range steps {
		began := time.Now()
		if err := step.do(ctx); err != nil {
			return r, fmt.Errorf("%s: %w", step.name, err)
		}
		say("%s: %s", step.name, time.Since(began).Round(time.Second))
	}
	return r, nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }
