package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

// demoStart bounds the start of the front end, which is a matter of milliseconds.
const demoStart = 20 * time.Second

// demoRegistered is how many of the sample's extensions have a device registered.
const demoRegistered = 200

type demoCommand struct {
	Once bool `help:"End when the main job is done: status 0 when all of it held, 1 when not."`
	Logs bool `help:"Show the log of the front end and the worker as well."`
}

func (demoCommand) Help() string {
	return `It starts a private Postgres, a private Redis and a simulated FreeSWITCH on free loopback ports in a temporary folder,
fills them with a sample PBX, and does the main job over HTTP. Every request is printed as a curl line that can be pasted
while the demo is up. Nothing is left behind.

Example: trunkline demo --once`
}

func (d demoCommand) Run(cmd *command) (err error) {
	dir, err := os.MkdirTemp("", "trunkline-demo-")
	if err != nil {
		return fmt.Errorf("making the demo's folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Postgres refuses to run as root, so its folder in this one is another account's.
	if err := os.Chmod(dir, 0o711); err != nil {
		return fmt.Errorf("making the demo's folder: %w", err)
	}

	cmd.printf("Starting a private Postgres, a private Redis and a simulated FreeSWITCH ...\n")
	pbx, err := startDemoPBX(cmd.ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pbx.close()) }()
	cmd.printf("Sample PBX: FusionPBX %s tables, %d domains, %d extensions, %d CDRs of the last %d days, %d gateways, a superadmin and an admin.\n",
		sample.V55, len(pbx.sample.Domains), sample.Demo.Extensions, pbx.sample.CDRs, sample.Demo.Days, len(pbx.sample.Gateways))

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("finding a port for the demo: %w", err)
	}
	settings, err := pbx.settings(dir, listener.Addr().String())
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if d.Logs {
		log = newLog(settings, cmd.err)
	}
	p, err := openParts(cmd.ctx, settings, log, true)
	if err != nil {
		return err
	}
	defer p.close()
	p.listener = listener

	ctx, stop := context.WithCancel(cmd.ctx)
	served := make(chan error, 1)
	go func() { served <- p.serve(ctx) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()
	tour := &demoTour{cmd: cmd, base: settings.PublicURL, sample: pbx.sample, registered: demoRegistered}
	if err := tour.run(ctx); err != nil {
		cmd.printf("\nThe demo did NOT hold: %v\n", err)
		return err
	}
	cmd.printf("\nAll of it held.\n")
	if d.Once {
		return nil
	}
	cmd.printf("It stays up at %s until Ctrl-C: paste any of the lines above.\n", settings.PublicURL)
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		served <- nil
		return err
	}
}

// demoPBX is the sample PBX: private servers with the sample's rows and a simulated switch on them.
type demoPBX struct {
	servers  *servers.Pair
	database string
	sample   sample.PBX
	sw       *fssim.Switch
}

func startDemoPBX(ctx context.Context, dir string) (_ *demoPBX, err error) {
	pbx := &demoPBX{}
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
	pbx.sw, err = startDemoSwitch(ctx, pbx.database, "")
	return pbx, err
}

// startDemoSwitch starts the simulated FreeSWITCH on the sample in that database.
func startDemoSwitch(ctx context.Context, database, listen string) (*fssim.Switch, error) {
	sw, err := fssim.Start(fssim.Options{
		Listen:    listen,
		Gateways:  fssim.GatewaysFromDatabase(database),
		RealTimes: true,
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(sw.RegisterExtensions(ctx, database, demoRegistered), sw.LoadProfiles(ctx)); err != nil {
		return nil, errors.Join(err, sw.Close())
	}
	return sw, nil
}

func (pbx *demoPBX) close() error {
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
func (pbx *demoPBX) settings(dir, listen string) (config.Settings, error) {
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
