package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBadConfiguration: a bad value names the variable and the rule, and nothing is
// started. (Not parallel: it is the environment that is tested.)
func TestBadConfiguration(t *testing.T) {
	const url = "postgres://halite@localhost/halite"
	for _, c := range []struct {
		env  map[string]string
		want []string
	}{
		{map[string]string{"LISTEN_PORT": "65536"}, []string{"LISTEN_PORT", "from 0 to 65535"}},
		{map[string]string{"LISTEN_PORT": "-1"}, []string{"LISTEN_PORT", "from 0 to 65535"}},
		{map[string]string{"LISTEN_PORT": "http"}, []string{"LISTEN_PORT"}},
		{map[string]string{"METRICS_ADDRESS": "9090"}, []string{"METRICS_ADDRESS", "127.0.0.1:9090"}},
		{map[string]string{"METRICS_ADDRESS": "127.0.0.1:"}, []string{"METRICS_ADDRESS", "from 0 to 65535"}},
		{map[string]string{"METRICS_ADDRESS": "127.0.0.1:65536"}, []string{"METRICS_ADDRESS", "from 0 to 65535"}},
		{map[string]string{"DATABASE_URL": "mysql://x", "COOKIE_SECRET": testSecret}, []string{"DATABASE_URL", "postgres://"}},
		{map[string]string{"DATABASE_APP_URL": url}, []string{"DATABASE_APP_URL", "needs DATABASE_URL"}},
		{map[string]string{"DATABASE_DIRECT_URL": url}, []string{"DATABASE_DIRECT_URL", "needs DATABASE_POOLER"}},
		{map[string]string{"DATABASE_DIRECT_URL": "mysql://x"}, []string{"DATABASE_DIRECT_URL", "postgres://"}},
		{map[string]string{"DATABASE_POOLER": "transaction"}, []string{"DATABASE_POOLER", "needs DATABASE_URL"}},
		{map[string]string{"DATABASE_POOLER": "session"}, []string{"DATABASE_POOLER", "must be transaction"}},
		{map[string]string{"DATABASE_URL": url}, []string{"COOKIE_SECRET", "must be set"}},
		{map[string]string{"COOKIE_SECRET": "short"}, []string{"COOKIE_SECRET", "at least 32 characters"}},
		{map[string]string{"CHECKPOINT_KEY": "PRIVATE+KEY+a+00000000+AAAA"}, []string{"CHECKPOINT_KEY must have the form"}},
		{map[string]string{"CHECKPOINT_KEY_PREVIOUS": "PRIVATE+KEY+a+00000000+AAAA"}, []string{"CHECKPOINT_KEY_PREVIOUS must be a key"}},
		{map[string]string{"CHECKPOINT_KEY_PREVIOUS": "a+b"}, []string{"CHECKPOINT_KEY_PREVIOUS must be a key"}},
		{map[string]string{"COOKIE_NAME": "a;b"}, []string{"COOKIE_NAME", "must be a word"}},
		{map[string]string{"COOKIE_SECURE": "maybe"}, []string{"COOKIE_SECURE"}},
		{map[string]string{"SESSION_TTL_MINUTES": "0"}, []string{"SESSION_TTL_MINUTES", "from 1 to 525600"}},
		{map[string]string{"SESSION_TTL_MINUTES": "a day"}, []string{"SESSION_TTL_MINUTES"}},
		{map[string]string{"BOOTSTRAP_ADMIN_PASSWORD": "1234567"}, []string{"BOOTSTRAP_ADMIN_PASSWORD", "8 to 1024 characters"}},
		{map[string]string{"BOOTSTRAP_ADMIN_USERNAME": strings.Repeat("a", 256)}, []string{"BOOTSTRAP_ADMIN_USERNAME", "1 to 255 characters"}},
		{map[string]string{"REFUSALS_PER_MINUTE": "0"}, []string{"REFUSALS_PER_MINUTE", "1 or more"}},
		{map[string]string{"AUDIT_AUDIT_READS": "sometimes"}, []string{"AUDIT_AUDIT_READS"}},
		{map[string]string{"AUDIT_RETENTION_DAYS": "-1"}, []string{"AUDIT_RETENTION_DAYS", "from 0"}},
		{map[string]string{"AUDIT_RETENTION_DAYS": "36501"}, []string{"AUDIT_RETENTION_DAYS", "36500"}},
		{map[string]string{"AUDIT_RETENTION_DAYS": "a year"}, []string{"AUDIT_RETENTION_DAYS"}},
		{map[string]string{"AUDIT_DISK_BYTES": "-1"}, []string{"AUDIT_DISK_BYTES", "0 (not known) or more"}},
		{map[string]string{"TRUSTED_PROXIES": "10.0.0.0/8,proxy"}, []string{"TRUSTED_PROXIES", `"proxy"`, "CIDRs"}},
		{map[string]string{"ALLOWED_ORIGINS": "https://a.example,ui.example.org"}, []string{"ALLOWED_ORIGINS", `"ui.example.org"`}},
		{map[string]string{"ALLOWED_ORIGINS": "https://*.example.org"}, []string{"ALLOWED_ORIGINS", `"https://*.example.org"`}},
		{map[string]string{"ALLOWED_ORIGINS": "*"}, []string{"ALLOWED_ORIGINS", `"*"`}},
		{map[string]string{"ALLOWED_ORIGINS": "https://ui.example.org/"}, []string{"ALLOWED_ORIGINS", `"https://ui.example.org/"`}},
		{map[string]string{"LOG_LEVEL": "loud"}, []string{"LOG_LEVEL", "debug"}},
		{map[string]string{"LOG_FORMAT": "xml"}, []string{"LOG_FORMAT", "json"}},
		{map[string]string{"LISTEN_PORT": "-1", "COOKIE_SECRET": "short"}, []string{"LISTEN_PORT", "COOKIE_SECRET"}}, // all at once
	} {
		t.Run("", func(t *testing.T) {
			t.Setenv("HALITE_DATA_DIR", filepath.Join(t.TempDir(), "none"))
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			code, out, said := runHere(t, "")
			if code != 2 {
				t.Errorf("%v: exit status %d, %s", c.env, code, out)
			}
			for _, want := range c.want {
				if !strings.Contains(said, want) {
					t.Errorf("%v: no %s in: %s", c.env, want, said)
				}
			}
			if secret := c.env["COOKIE_SECRET"]; secret != "" && strings.Contains(said, secret) {
				t.Errorf("%v: the secret is told", c.env)
			}
			if _, err := os.Stat(os.Getenv("HALITE_DATA_DIR")); err == nil {
				t.Errorf("%v: a data folder was made", c.env)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"help"}, {"--help"}} {
		code, out, said := runHere(t, "", args...)
		if code != 0 || said != "" {
			t.Errorf("%v: exit status %d, %s", args, code, said)
		}
		plain := strings.Join(strings.Fields(out), " ")
		fields := reflect.VisibleFields(reflect.TypeFor[common]())
		if len(fields) < 15 {
			t.Fatalf("only %d variables", len(fields))
		}
		for _, f := range fields {
			env, value := f.Tag.Get("env"), f.Tag.Get("default")
			if env == "" || !strings.Contains(plain, "($"+env+")") && !strings.Contains(plain, "$"+env) {
				t.Errorf("%v: help does not show %s (%s)", args, f.Name, env)
			}
			if value != "" && value != "true" && !strings.Contains(plain, "="+value) && !strings.Contains(plain, `="`+value+`"`) {
				t.Errorf("%v: help does not show %s, the default of %s", args, value, env)
			}
		}
		for _, verb := range []string{"serve", "migrate", "user add", "user passwd", "version", "help"} {
			if !strings.Contains(plain, verb) {
				t.Errorf("%v: help does not show %s", args, verb)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if code, out, said := runHere(t, "", "version"); code != 0 || strings.TrimSpace(out) == "" || said != "" {
		t.Errorf("exit status %d, %q, %q", code, out, said)
	}
}

func TestUnknownCommand(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"serv"}, {"--no-such-flag"}, {"user"}, {"user", "add"}, {"user", "add", "x"}, {"migrate", "sideways"}, {"serve", "more"}} {
		if code, _, said := runHere(t, "", args...); code != 2 || said == "" {
			t.Errorf("%v: exit status %d, %q", args, code, said)
		}
	}
}

func TestCookieSecure(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, c := range []struct {
		host string
		set  *bool
		want bool
	}{
		{"127.0.0.1", nil, false},
		{"127.3.2.1", nil, false},
		{"::1", nil, false},
		{"localhost", nil, false},
		{"0.0.0.0", nil, true},
		{"", nil, true},
		{"192.0.2.1", nil, true},
		{"audit.example.org", nil, true},
		{"127.0.0.1", &yes, true},
		{"0.0.0.0", &no, false},
	} {
		if got := (&common{ListenHost: c.host, CookieSecure: c.set}).cookieSecure(); got != c.want {
			t.Errorf("%q: %v", c.host, got)
		}
	}
}

func TestPrefixes(t *testing.T) {
	t.Parallel()
	var p prefixes
	if err := p.UnmarshalText([]byte(" 10.0.0.0/8,, 192.0.2.1 ,2001:db8::/32")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, prefix := range p.prefixes {
		got = append(got, prefix.String())
	}
	if diff := cmp.Diff([]string{"10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"}, got); diff != "" {
		t.Error(diff)
	}
	if !p.prefixes[0].Contains(netip.MustParseAddr("10.1.2.3")) {
		t.Error("10.1.2.3 is not in 10.0.0.0/8")
	}
}

// TestSecret: it is made once, kept private, and never taken if it is too short.
func TestSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &common{}
	first, err := c.secret(dir)
	if err != nil || len(first) < 32 {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := c.secret(dir); err != nil || string(again) != string(first) {
		t.Errorf("%q, then %q, %v", first, again, err)
	}
	path := filepath.Join(dir, "cookie_secret")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if own, err := (&common{CookieSecret: testSecret}).secret(dir); err != nil || string(own) != testSecret {
		t.Errorf("%q, %v", own, err)
	}
	if err := os.WriteFile(path, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := c.secret(dir); err == nil || !strings.Contains(err.Error(), "at least 32 characters") {
		t.Errorf("%q, %v", got, err)
	}
}
