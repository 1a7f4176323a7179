package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"halite/db"
	"halite/internal/pgembed"
)

// common is the configuration of every verb. Each flag has an environment variable of
// the same name in capitals.
type common struct {
	ListenHost     string `env:"LISTEN_HOST" default:"127.0.0.1" group:"serving" help:"Address to listen on."`
	ListenPort     int    `env:"LISTEN_PORT" default:"8080" group:"serving" help:"Port to listen on; 0 picks one."`
	MetricsAddress string `env:"METRICS_ADDRESS" group:"serving" help:"Serve metrics for Prometheus at this address and port, such as 127.0.0.1:9090, to everybody who reaches it. Unset: they are not served."`

	DatabaseURL       string `name:"database-url" env:"DATABASE_URL" group:"database" help:"PostgreSQL 14 or newer, as the owner of the log: postgres://... Unset: an embedded PostgreSQL."`
	DatabaseAppURL    string `name:"database-app-url" env:"DATABASE_APP_URL" group:"database" help:"The login that serves requests. Unset: the role halite_app, taken by the owner."`
	DatabasePooler    string `name:"database-pooler" env:"DATABASE_POOLER" group:"database" help:"What stands between the server and PostgreSQL. transaction: PgBouncer or its like, which changes connections between transactions. Unset: nothing."`
	DatabaseDirectURL string `name:"database-direct-url" env:"DATABASE_DIRECT_URL" group:"database" help:"Beside DATABASE_POOLER: leads to the database past it, as the owner; for migrations, partitions and LISTEN. Unset: DATABASE_URL."`
	DataDir           string `name:"data-dir" env:"HALITE_DATA_DIR" group:"database" help:"Folder of the embedded PostgreSQL and of the generated secret. Unset: the user's data folder; for root /var/lib/halite."`

	CookieSecret          string `env:"COOKIE_SECRET" group:"sessions" help:"At least 32 characters; signs session cookies and cursors. Unset: generated and kept in the data folder; required with DATABASE_URL."`
	CookieSecretPrevious  string `name:"cookie-secret-previous" env:"COOKIE_SECRET_PREVIOUS" group:"sessions" help:"The secret before COOKIE_SECRET, while it is replaced: it still opens what was made with it."`
	CheckpointKey         string `env:"CHECKPOINT_KEY" group:"log" help:"The key that signs checkpoints, as halite checkpoint key makes it. Unset: generated and kept in the data folder; with DATABASE_URL nothing is signed."`
	CheckpointKeyPrevious string `name:"checkpoint-key-previous" env:"CHECKPOINT_KEY_PREVIOUS" group:"log" help:"The key before CHECKPOINT_KEY, while it is replaced: both sign. Or its verifier, which only says that its signatures count."`

	CookieName        string `env:"COOKIE_NAME" default:"halite_session" group:"sessions" help:"Name of the session cookie."`
	CookieSecure      *bool  `env:"COOKIE_SECURE" group:"sessions" help:"Send the cookie over TLS only. Unset: true unless LISTEN_HOST is a loopback address."`
	SessionTTLMinutes int    `name:"session-ttl-minutes" env:"SESSION_TTL_MINUTES" default:"480" group:"sessions" help:"How long a session lasts from sign-in, in minutes."`

	BootstrapAdminUsername string `env:"BOOTSTRAP_ADMIN_USERNAME" default:"admin" group:"sessions" help:"Name of the first user, made when there is none."`
	BootstrapAdminPassword string `env:"BOOTSTRAP_ADMIN_PASSWORD" group:"sessions" help:"The first user's password, 8 to 1024 characters. Unset: a random one, shown once, to be changed at the first sign-in."`

	AuditAuditReads    bool   `env:"AUDIT_AUDIT_READS" default:"true" negatable:"" group:"log" help:"Record allowed reads of the log itself. Denials always are."`
	RefusalsPerMinute  int    `env:"REFUSALS_PER_MINUTE" default:"60" group:"log" help:"Refusals without a session that are recorded one by one, per minute and address; the rest is turned away and counted."`
	PublicTree         bool   `env:"PUBLIC_TREE" default:"true" negatable:"" group:"log" help:"Serve checkpoints and the hashes of the tree, no entries, to everybody, for witnesses. Without it they need 'view' on 'audit:*'."`
	AuditRetentionDays int    `env:"AUDIT_RETENTION_DAYS" default:"0" group:"log" help:"Drop whole months once all of them is older than so many days; 0 keeps everything."`
	AuditArchiveDir    string `env:"AUDIT_ARCHIVE_DIR" group:"log" help:"Folder that each month is archived to before it is dropped. Unset: there is no archive."`
	AuditDiskBytes     int64  `env:"AUDIT_DISK_BYTES" default:"0" group:"log" help:"How much the database may take, to be warned from 80 % on. 0: the disk that HALITE_DATA_DIR is on; with DATABASE_URL it is not known."`

	TrustedProxies prefixes `env:"TRUSTED_PROXIES" group:"serving" help:"CIDRs of proxies whose X-Forwarded-For counts, comma separated."`
	AllowedOrigins []string `env:"ALLOWED_ORIGINS" group:"serving" help:"Origins of frontends elsewhere, comma separated: CORS with credentials."`

	LogLevel  string `env:"LOG_LEVEL" default:"info" group:"log" help:"Least level of the server's own log: debug, info, warn, error."`
	LogFormat string `env:"LOG_FORMAT" default:"text" group:"log" help:"Form of the server's own log: text, json."`
}

// Validate is called by kong. It names the variable and the rule.
func (c *common) Validate() error {
	var errs []error
	bad := func(variable, rule string) { errs = append(errs, fmt.Errorf("%s %s", variable, rule)) }
	if c.ListenPort < 0 || c.ListenPort > 65535 {
		bad("LISTEN_PORT", "must be from 0 to 65535")
	}
	if c.MetricsAddress != "" {
		_, port, err := net.SplitHostPort(c.MetricsAddress)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || strconv.FormatUint(n, 10) != port {
			bad("METRICS_ADDRESS", "must be an address and a port from 0 to 65535, such as 127.0.0.1:9090")
		}
	}
	for variable, v := range map[string]string{"DATABASE_URL": c.DatabaseURL, "DATABASE_APP_URL": c.DatabaseAppURL, "DATABASE_DIRECT_URL": c.DatabaseDirectURL} {
		if v != "" && !strings.HasPrefix(v, "postgres://") && !strings.HasPrefix(v, "postgresql://") {
			bad(variable, "must begin with postgres://")
		}
	}
	if c.DatabaseAppURL != "" && c.DatabaseURL == "" {
		bad("DATABASE_APP_URL", "needs DATABASE_URL beside it")
	}
	if c.DatabasePooler != "" && c.DatabasePooler != "transaction" {
		bad("DATABASE_POOLER", "must be transaction, or unset")
	} else if c.DatabasePooler != "" && c.DatabaseURL == "" {
		bad("DATABASE_POOLER", "needs DATABASE_URL beside it")
	}
	if c.DatabaseDirectURL != "" && c.DatabasePooler == "" {
		bad("DATABASE_DIRECT_URL", "needs DATABASE_POOLER beside it")
	}
	if n := utf8.RuneCountInString(c.CookieSecret); c.CookieSecret != "" && n < 32 {
		bad("COOKIE_SECRET", "must be at least 32 characters")
	} else if c.CookieSecret == "" && c.DatabaseURL != "" {
		bad("COOKIE_SECRET", "must be set (at least 32 characters) when DATABASE_URL is")
	}
	if n := utf8.RuneCountInString(c.CookieSecretPrevious); c.CookieSecretPrevious != "" && n < 32 {
		bad("COOKIE_SECRET_PREVIOUS", "must be at least 32 characters")
	}
	if _, _, err := c.checkpointKeys(c.CheckpointKey); err != nil {
		errs = append(errs, err)
	}
	if c.CookieName == "" || strings.ContainsFunc(c.CookieName, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	}) {
		bad("COOKIE_NAME", "must be a word of letters, digits and - _ . characters")
	}
	if c.SessionTTLMinutes < 1 || c.SessionTTLMinutes > 525600 {
		bad("SESSION_TTL_MINUTES", "must be from 1 to 525600")
	}
	if n := utf8.RuneCountInString(c.BootstrapAdminPassword); c.BootstrapAdminPassword != "" && (n < 8 || n > 1024) {
		bad("BOOTSTRAP_ADMIN_PASSWORD", "must have 8 to 1024 characters")
	}
	if n := utf8.RuneCountInString(c.BootstrapAdminUsername); n < 1 || n > 255 {
		bad("BOOTSTRAP_ADMIN_USERNAME", "must have 1 to 255 characters")
	}
	if c.RefusalsPerMinute < 1 {
		bad("REFUSALS_PER_MINUTE", "must be 1 or more")
	}
	if c.AuditRetentionDays < 0 || c.AuditRetentionDays > 36_500 {
		bad("AUDIT_RETENTION_DAYS", "must be from 0 (keep everything) to 36500")
	}
	if c.AuditDiskBytes < 0 {
		bad("AUDIT_DISK_BYTES", "must be 0 (not known) or more")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		bad("LOG_LEVEL", "must be debug, info, warn or error")
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		bad("LOG_FORMAT", "must be text or json")
	}
	for _, o := range c.AllowedOrigins {
		if u, err := url.Parse(o); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Contains(o, "*") || u.Scheme+"://"+u.Host != o {
			bad("ALLOWED_ORIGINS", fmt.Sprintf("must be origins such as https://ui.example.org, %q is not one", o))
		}
	}
	return errors.Join(errs...)
}

// prefixes is a list of CIDRs; a bare address stands for itself.
type prefixes struct{ prefixes []netip.Prefix }

func (p *prefixes) UnmarshalText(b []byte) error {
	for s := range strings.SplitSeq(string(b), ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			addr, aerr := netip.ParseAddr(s)
			if aerr != nil {
				return fmt.Errorf("TRUSTED_PROXIES must be CIDRs such as 10.0.0.0/8, %q is not one", s)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		p.prefixes = append(p.prefixes, prefix)
	}
	return nil
}

func (c *common) cookieSecure() bool {
	if c.CookieSecure != nil {
		return *c.CookieSecure
	}
	ip := net.ParseIP(c.ListenHost)
	return c.ListenHost != "localhost" && (ip == nil || !ip.IsLoopback())
}

func (c *common) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // checked by Validate
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// place is where the log lives.
type place struct {
	databaseURL  string
	cookieSecret []byte
	signKey      string          // signs checkpoints; empty: nothing is signed
	dataDir      string          // empty with DATABASE_URL
	lost         <-chan struct{} // closed when the embedded PostgreSQL has ended
}

// database says how to reach what was found.
func (c *common) database(where place, logger *slog.Logger) db.Config {
	return db.Config{
		URL: where.databaseURL, AppURL: c.DatabaseAppURL, DirectURL: c.DatabaseDirectURL,
		Pooled: c.DatabasePooler != "", Logger: logger,
	}
}

// open finds the database: DATABASE_URL, or an embedded PostgreSQL that it starts.
func (c *common) open(ctx context.Context, logger *slog.Logger) (_ place, close func(), err error) {
	if c.DatabaseURL != "" {
		return place{databaseURL: c.DatabaseURL, cookieSecret: []byte(c.CookieSecret), signKey: c.CheckpointKey}, func() {}, nil
	}
	dir, err := c.dataDir()
	if err != nil {
		return place{}, nil, err
	}
	pg, err := pgembed.Start(ctx, pgembed.Config{Dir: dir, Logger: logger})
	if err != nil {
		return place{}, nil, err
	}
	close = func() {
		if err := pg.Stop(); err != nil {
			logger.Error("embedded PostgreSQL did not stop cleanly", "error", err)
		}
	}
	where, err := c.keep(place{databaseURL: pg.URL(), dataDir: dir, lost: pg.Done()})
	if err != nil {
		close()
		return place{}, nil, err
	}
	return where, close, nil
}

// attach finds the database for a verb beside a running server: it uses the embedded
// PostgreSQL that runs, or starts it for itself.
func (c *common) attach(ctx context.Context, logger *slog.Logger) (place, func(), error) {
	where, close, err := c.open(ctx, logger)
	if !errors.Is(err, pgembed.ErrLocked) {
		return where, close, err
	}
	dir, err := c.dataDir()
	if err != nil {
		return place{}, nil, err
	}
	u, err := pgembed.Attach(ctx, dir)
	if err != nil {
		return place{}, nil, err
	}
	where, err = c.keep(place{databaseURL: u, dataDir: dir})
	return where, func() {}, err
}

// keep adds the secrets that are kept in the data folder.
func (c *common) keep(where place) (_ place, err error) {
	if where.cookieSecret, err = c.secret(where.dataDir); err != nil {
		return place{}, err
	}
	where.signKey, err = c.signKey(where.dataDir)
	return where, err
}

func (c *common) dataDir() (string, error) {
	if c.DataDir != "" {
		return filepath.Abs(c.DataDir)
	}
	return pgembed.DefaultDir()
}

// secret returns COOKIE_SECRET, else the one kept in the data folder, else makes it.
func (c *common) secret(dir string) ([]byte, error) {
	if c.CookieSecret != "" {
		return []byte(c.CookieSecret), nil
	}
	path := filepath.Join(dir, "cookie_secret")
	b, err := os.ReadFile(path)
	switch {
	case err == nil && len(strings.TrimSpace(string(b))) >= 32:
		return []byte(strings.TrimSpace(string(b))), nil
	case err == nil:
		return nil, fmt.Errorf("%s must hold at least 32 characters; remove it to have a new one made (all sessions end)", path)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	raw := make([]byte, 32)
	rand.Read(raw)
	secret := hex.EncodeToString(raw)
	return []byte(secret), writePrivate(path, secret+"\n")
}

// writePrivate makes a file that only its owner can read; it must not be there yet.
func writePrivate(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
