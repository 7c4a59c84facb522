package service

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
	"trunkline/internal/sealing"
)

// Keys reads the secret key. With create it makes one, if there is none and the database has never seen one.
func Keys(ctx context.Context, settings config.Settings, pool *pgxpool.Pool, create bool) (*sealing.Keys, error) {
	known, err := sealing.DatabaseHasKey(ctx, pool)
	if err != nil {
		return nil, err
	}
	secret, err := settings.LoadSecretKey(create && !known)
	if err != nil {
		return nil, err
	}
	keys, err := sealing.NewKeys(secret)
	if err == nil {
		keys.LinkLife = settings.DownloadTTL
	}
	return keys, err
}

// OpenDatabase opens the database of the settings. Its error names what says which database that is.
func OpenDatabase(ctx context.Context, settings config.Settings) (*pgxpool.Pool, error) {
	pool, err := postgres.Open(ctx, settings.DatabaseURL.Reveal(), settings.DatabaseConnections)
	if err != nil {
		return nil, fmt.Errorf("%w; check %s and that Postgres runs", err, settings.Where("TRUNKLINE_DATABASE_URL"))
	}
	return pool, nil
}

// exportConnections is how many connections an export job reads through.
func exportConnections(s config.Settings) int {
	return cmp.Or(s.ExportConnections, max(runtime.NumCPU()/2, 1))
}

// OpenExportDatabase opens what export jobs read: connections of their own, so that those of quick requests are left alone.
// A standby need not answer yet: nothing but exports waits for it.
func OpenExportDatabase(ctx context.Context, settings config.Settings) (*pgxpool.Pool, error) {
	url := cmp.Or(settings.ExportDatabaseURL, settings.DatabaseURL)
	return postgres.OpenBulk(ctx, cdr.ConnectionsName, url.Reveal(), settings.ExportConcurrency*exportConnections(settings))
}

// NewPBX is the PBX of the settings, without its switches.
func NewPBX(s config.Settings, pool *pgxpool.Pool, db *fusionpbx.DB) *pbx.PBX {
	return &pbx.PBX{Pool: pool, FusionPBX: db, GatewayMode: fusionpbx.GatewayMode(s.GatewayMode), SIPProfilesDir: s.SIPProfilesDir}
}

// OpenSwitches are the switches of the settings. Nothing is connected to yet; the caller closes them.
func OpenSwitches(settings config.Settings, log *slog.Logger) []*freeswitch.Switch {
	var switches []*freeswitch.Switch
	for _, addr := range settings.Switches {
		switches = append(switches, freeswitch.New(addr, settings.SwitchPassword.Reveal(), freeswitch.Options{
			DialTimeout:    settings.SwitchDialTimeout,
			CommandTimeout: settings.SwitchTimeout,
			MaxReply:       int64(settings.SwitchMaxReply),
			Logger:         log,
		}))
	}
	return switches
}

// NewLog returns the log that the settings ask for.
func NewLog(settings config.Settings, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: settings.LogLevel}
	if settings.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
