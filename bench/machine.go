package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// quietLoad is the load from which on a machine is too busy for figures.
const quietLoad = 1.5

// machine is what was measured on, and with which versions.
type machine struct {
	CPU      string
	Cores    int
	System   string
	Load     float64 // of the minute before
	Versions map[string]string
}

func (s *stack) machine(ctx context.Context) machine {
	m := machine{CPU: "unknown", Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Load: s.load, Versions: map[string]string{"Go": runtime.Version()}}
	text, _ := os.ReadFile("/proc/cpuinfo")
	for l := range strings.Lines(string(text)) {
		if k, v, _ := strings.Cut(l, ":"); strings.TrimSpace(k) == "model name" {
			m.CPU = strings.TrimSpace(v)
			break
		}
	}
	text, _ = os.ReadFile("/etc/os-release")
	for l := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(l, "PRETTY_NAME="); ok {
			m.System = strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	say := func(name, program string, args ...string) {
		if out, err := exec.CommandContext(ctx, program, args...).Output(); err == nil {
			m.Versions[name] = strings.TrimSpace(string(out))
		}
	}
	say("PostgreSQL", s.programs["psql"], "-XAtd", s.pg.URL(), "-c", "SHOW server_version")
	if node, err := s.node(); err == nil && s.plan.peers != "" {
		say("Node.js", node, "--version")
	}
	for name := range s.peers {
		var doc struct{ Version string }
		text, err := os.ReadFile(filepath.Join(s.plan.peers, "node_modules", strings.ToLower(name), "package.json"))
		if err == nil && json.Unmarshal(text, &doc) == nil {
			m.Versions[name] = doc.Version
		}
	}
	return m
}

// loadNow is how many processes wanted to run in the last minute; 0 where it is not known.
func loadNow() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	n, _ := strconv.ParseFloat(first, 64)
	return n
}
