package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/cdr"
	"trunkline/internal/certificate"
	"trunkline/internal/config"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
	"trunkline/internal/redis"
	"trunkline/internal/sealing"
	"trunkline/internal/service"
	"trunkline/internal/whitelist"
	"trunkline/tasks"
)

// checkTimeout bounds each check.
const checkTimeout = 10 * time.Second

type checkCommand struct{}

func (checkCommand) Help() string {
	return `It prints a line for every part, "ok" or what to do, and ends with status 1 if one is not right.
Nothing is changed, except that each switch forgets its cached gateway configuration, as FusionPBX's own pages make it do,
and that a file is made and removed again in each folder that Trunkline writes into, and in the bucket.

Example: trunkline --config /etc/trunkline/trunkline.env check`
}

var errNotAllRight = errors.New("not everything is right; see the lines above")

func (checkCommand) Run(cmd *command) error {
	settings, err := cmd.settings()
	if err != nil {
		return err
	}
	c := &checker{cmd: cmd, settings: settings}
	c.database()
	c.check("redis", c.redis)
	for _, sw := range service.OpenSwitches(settings, slog.New(slog.DiscardHandler)) {
		c.freeswitch(sw)
	}
	c.frontEnd()
	c.check("whitelist", c.whitelist)
	c.permissions()
	if settings.TLSCert != "" {
		c.check("certificate", c.certificate)
	}
	c.check("export folder", c.exportFolder)
	if c.settings.ExportStore != "" {
		c.check("export store", c.exportStore)
	}
	if c.failed {
		return errNotAllRight
	}
	return nil
}

// checker prints one line a check and remembers whether one failed.
type checker struct {
	cmd      *command
	settings config.Settings
	failed   bool
	first    bool // the database has no tables of ours yet: nothing was ever started on it
}

// check runs one check; what it returns is printed behind "ok".
func (c *checker) check(part string, f func(ctx context.Context) (string, error)) bool {
	ctx, cancel := context.WithTimeout(c.cmd.ctx, checkTimeout)
	defer cancel()
	found, err := f(ctx)
	if err != nil {
		c.failed = true
		// One line each, whatever a library puts into its errors.
		c.cmd.printf("%-22s NOT RIGHT: %s\n", part, strings.Join(strings.Fields(err.Error()), " "))
		return false
	}
	c.cmd.printf("%-22s ok: %s\n", part, found)
	return true
}

// queuesRun fails while a queue is paused: somebody has to resume it.
func queuesRun(ctx context.Context, pool *pgxpool.Pool) (string, error) {
	paused, err := tasks.Paused(ctx, pool)
	if err != nil {
		return "", err
	}
	var said []string
	for _, p := range paused {
		said = append(said, fmt.Sprintf("%s is paused since %s by %s: %s (trunkline queues resume %s)", p.Queue, p.At.UTC().Format(time.RFC3339), p.By, p.Reason, p.Queue))
	}
	if len(said) > 0 {
		return "", errors.New(strings.Join(said, "; "))
	}
	return "none is paused", nil
}

func (c *checker) database() {
	pool, err := service.OpenDatabase(c.cmd.ctx, c.settings)
	if !c.check("database", func(ctx context.Context) (version string, _ error) {
		if err != nil {
			return "", err
		}
		return version, pool.QueryRow(ctx, "select 'Postgres ' || current_setting('server_version') || ', encoding ' || current_setting('server_encoding')").Scan(&version)
	}) {
		return
	}
	defer pool.Close()
	c.check("schema trunkline", func(ctx context.Context) (string, error) {
		err := postgres.CheckVersion(ctx, pool)
		if c.first = errors.Is(err, postgres.ErrNoSchema); c.first {
			return notYet, nil
		}
		return "up to date", err
	})
	if !c.first {
		c.check("queues", func(ctx context.Context) (string, error) { return queuesRun(ctx, pool) })
	}
	c.check("fusionpbx", func(ctx context.Context) (string, error) {
		db, err := fusionpbx.Probe(ctx, pool)
		if err != nil {
			return "", err
		}
		version, err := db.Version(ctx)
		if err != nil {
			return "", err
		}
		flag, _ := db.ColumnType("v_gateways", "enabled")
		return fmt.Sprintf("version %s, gateway flags are %s", version, flag), nil
	})
	var p *pbx.PBX
	c.check("gateways", func(ctx context.Context) (string, error) {
		db, err := fusionpbx.Probe(ctx, pool)
		if err != nil {
			return "", err
		}
		p = service.NewPBX(c.settings, pool, db)
		return checkGateways(ctx, p)
	})
	if p != nil {
		c.carried(p)
		c.cdrIndex(p.FusionPBX, pool)
	}
	if c.settings.ExportDatabaseURL != "" {
		c.check("export standby", func(ctx context.Context) (string, error) { return c.exportStandby(ctx, pool) })
	}
	c.check("secret key", func(ctx context.Context) (string, error) { return c.secretKey(ctx, pool) })
	shared := "export folder shared"
	if c.settings.ExportStore != "" {
		shared = "export store shared"
	}
	c.check(shared, func(ctx context.Context) (string, error) {
		if c.first {
			return noWorkerYet, nil
		}
		store, err := service.ExportStore(c.settings)
		if err != nil {
			return "", err
		}
		err = cdr.Exporter{PBX: &pbx.PBX{Pool: pool}, Store: store}.CheckStore(ctx)
		if errors.Is(err, cdr.ErrUnmarked) {
			return noWorkerYet, nil
		}
		return "what the worker wrote is read here", err
	})
}

const (
	notYet      = "not there yet; the first `trunkline serve` makes it (or `trunkline migrate --key`, for rooms that run apart)"
	noWorkerYet = "no worker has run on this database yet; check again once one has"
)

func (c *checker) secretKey(ctx context.Context, pool *pgxpool.Pool) (string, error) {
	known := false
	if !c.first {
		var err error
		if known, err = sealing.DatabaseHasKey(ctx, pool); err != nil {
			return "", err
		}
	}
	secret, err := c.settings.LoadSecretKey(false)
	if path, isFile := c.settings.SecretKeyFile(); isFile && errors.Is(err, config.ErrNoKeyFile) && !known {
		return notYet, canBeMade(path, "TRUNKLINE_SECRET_KEY")
	}
	if err != nil {
		return "", err
	}
	keys, err := sealing.NewKeys(secret)
	if err != nil {
		return "", err
	}
	if !known {
		return "this database has seen none yet; the first start gives it this one", nil
	}
	if err := keys.CheckDatabase(ctx, pool); err != nil {
		return "", err
	}
	if keys.Superseded() {
		return "", errors.New("TRUNKLINE_SECRET_KEY is an old key, which is good for a while yet; run `trunkline key rotate` here to bring the one in use, or copy it")
	}
	return "it is the one of this database", nil
}

func (c *checker) redis(ctx context.Context) (string, error) {
	client, err := service.OpenRedis(c.settings, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	defer client.Close()
	info, err := redis.Check(ctx, client)
	if err != nil {
		return "", err
	}
	if warning := info.Warning(); warning != "" {
		return "", errors.New(warning)
	}
	kept := "it keeps an append-only file"
	if !info.Appends {
		kept = "it keeps no append-only file: after its crash jobs are taken up again from Postgres, rate limits begin anew (appendonly yes)"
	}
	return "version " + info.Version + ", " + info.Policy + "; " + kept, nil
}

func (c *checker) freeswitch(sw *freeswitch.Switch) {
	defer sw.Close()
	name := "switch " + sw.Addr()
	if !c.check(name, func(ctx context.Context) (string, error) {
		status, err := sw.Status(ctx)
		if err != nil {
			return "", fmt.Errorf("%w (%s)", err, c.whereSwitches())
		}
		return status.Version, nil
	}) {
		return
	}
	c.check("cache keys", func(ctx context.Context) (string, error) {
		return "FusionPBX's script deletes them on " + sw.Addr(), sw.DeleteSofiaCache(ctx)
	})
}

// whereSwitches says where the switches and their password are set.
func (c *checker) whereSwitches() string {
	address, password := c.settings.Where("TRUNKLINE_SWITCHES"), c.settings.Where("TRUNKLINE_SWITCH_PASSWORD")
	if address == password {
		return address
	}
	return address + ", " + password
}

func (c *checker) whitelist(context.Context) (string, error) {
	file := whitelist.File{Path: c.settings.Whitelist}
	set, err := file.Set()
	if err != nil {
		return "", whitelistTrouble(file, err)
	}
	return fmt.Sprintf("%d addresses and networks in %s", set.Count(), file.Path), nil
}

func (c *checker) certificate(context.Context) (string, error) {
	until, err := certificate.Check(c.settings.TLSCert, c.settings.TLSKey)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s and its key, good until %s", c.settings.TLSCert, until.Format(time.DateOnly)), nil
}

// exportStandby asks how far the standby is that exports read.
func (c *checker) exportStandby(ctx context.Context, primary *pgxpool.Pool) (string, error) {
	standby, err := service.OpenExportDatabase(ctx, c.settings)
	if err != nil {
		return "", err
	}
	defer standby.Close()
	return cdr.Exporter{PBX: &pbx.PBX{Pool: primary}, Rows: standby}.ReplicaBehind(ctx)
}

func (c *checker) exportFolder(context.Context) (string, error) {
	dir, floor := c.settings.ExportDir, uint64(c.settings.ExportMinFreeBytes)
	if _, err := os.Stat(dir); c.first && errors.Is(err, fs.ErrNotExist) {
		return notYet, canBeMade(dir, "TRUNKLINE_EXPORT_DIR")
	}
	if err := writeAndRead(dir); err != nil {
		return "", fmt.Errorf("TRUNKLINE_EXPORT_DIR: %w; make the folder, and give it to the user that runs trunkline", err)
	}
	free, err := cdr.FreeSpace(dir)
	if err != nil {
		return "", err
	}
	if free < floor {
		return "", fmt.Errorf("%d MiB free in %s, less than the %d needed; make room, or lower TRUNKLINE_EXPORT_MIN_FREE_BYTES", free>>20, dir, floor>>20)
	}
	return fmt.Sprintf("%s is written and read, %d MiB free", dir, free>>20), nil
}

// exportStore sees whether files can be written to the bucket, read, listed and deleted there.
func (c *checker) exportStore(ctx context.Context) (string, error) {
	files, err := service.ExportBucket(c.settings)
	if err != nil {
		return "", err
	}
	defer files.Close()
	if err := files.CheckStore(ctx); err != nil {
		return "", fmt.Errorf("TRUNKLINE_EXPORT_STORE: %w", err)
	}
	return fmt.Sprintf("%s is written and read", files.Location()), nil
}

// writeAndRead leaves a file in the folder, reads it back and removes it.
func writeAndRead(dir string) error {
	probe, err := os.CreateTemp(dir, ".trunkline-check-*")
	if err != nil {
		return err
	}
	defer os.Remove(probe.Name())
	const content = "written by trunkline check"
	_, err = probe.WriteString(content)
	if err := errors.Join(err, probe.Close()); err != nil {
		return err
	}
	got, err := os.ReadFile(probe.Name())
	if err == nil && string(got) != content {
		err = fmt.Errorf("%s is not read back as it was written", probe.Name())
	}
	return err
}
