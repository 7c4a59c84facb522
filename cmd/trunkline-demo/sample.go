package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

// samplePBX is the sample PBX: private servers with the sample's rows and a simulated switch on them.
type samplePBX struct {
	servers  *servers.Pair
	database string
	sample   sample.PBX
	sw       *fssim.Switch
}

func startPBX(ctx context.Context, dir string) (_ *samplePBX, err error) {
	pbx := &samplePBX{}
	defer func() {
		if err != nil {
			err = errors.Join(err, pbx.close())
		}
	}()
	if pbx.servers, err = servers.Start(ctx, servers.Options{Dir: dir, Durable: true}); err != nil {
		return nil, err
	}
	if pbx.database, err = pbx.servers.CreateDatabase(ctx, "fusionpbx", sample.V55); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, pbx.database)
	if err != nil {
		return nil, fmt.Errorf("opening the sample's database: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	pbx.sample, err = sample.Load(ctx, conn, sample.Demo)
	if err != nil {
		return nil, err
	}
	pbx.sw, err = startSwitch(ctx, pbx.database, "")
	return pbx, err
}

// startSwitch starts the simulated FreeSWITCH on the sample in that database.
func startSwitch(ctx context.Context, database, listen string) (*fssim.Switch, error) {
	sw, err := fssim.Start(fssim.Options{
		Listen:    listen,
		Gateways:  fssim.GatewaysFromDatabase(database),
		RealTimes: true,
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(sw.RegisterExtensions(ctx, database, registered), sw.LoadProfiles(ctx)); err != nil {
		return nil, errors.Join(err, sw.Close())
	}
	return sw, nil
}

func (pbx *samplePBX) close() error {
	var errs []error
	if pbx.sw != nil {
		errs = append(errs, pbx.sw.Close())
	}
	if pbx.servers != nil {
		errs = append(errs, pbx.servers.Close())
	}
	return errors.Join(errs...)
}

// settings are those of a Trunkline on this PBX that only this host may call.
func (pbx *samplePBX) settings(dir, listen string) (config.Settings, error) {
	whitelist := filepath.Join(dir, "chkcon_whitelist.conf")
	if err := os.WriteFile(whitelist, []byte("127.0.0.1 # this host\n::1\n"), 0o600); err != nil {
		return config.Settings{}, fmt.Errorf("writing the demo's whitelist: %w", err)
	}
	return config.Load("", []string{
		"TRUNKLINE_DATABASE_URL=" + pbx.database,
		"TRUNKLINE_REDIS_URL=redis://" + pbx.servers.RedisAddr(),
		"TRUNKLINE_SWITCHES=" + pbx.sw.Addr(),
		"TRUNKLINE_SWITCH_PASSWORD=" + fssim.Password,
		"TRUNKLINE_LISTEN=" + listen,
		"TRUNKLINE_WHITELIST=" + whitelist,
		"TRUNKLINE_EXPORT_DIR=" + filepath.Join(dir, "exports"),
		"TRUNKLINE_EXPORT_MIN_FREE_BYTES=100MiB",
		"TRUNKLINE_SECRET_KEY=" + filepath.Join(dir, "secret.key"),
	})
}
