package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest/running"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/tour"
	"trunkline/internal/service"
)

// registered is how many of the sample's extensions have a device registered.
const registered = 200

type demoCommand struct {
	Once    bool `help:"End when the main job is done: status 0 if all of it held, else 1."`
	Verbose bool `help:"Print every answer whole."`
	Logs    bool `help:"Show the log of the front end and the worker too."`
}

func (demoCommand) Help() string {
	return `It starts a private Postgres, a private Redis and a simulated FreeSWITCH on free loopback ports in a temporary folder,
fills them with a sample PBX, and does the main job over HTTP. Every request is printed as a curl line that can be pasted
while the demo is up. Nothing is left behind.

Example: trunkline-demo demo --once`
}

func (d demoCommand) Run(cmd *command) (err error) {
	cmd.printf("Starting a private Postgres, a private Redis and a simulated FreeSWITCH: some ten seconds ...\n")
	pbx, err := running.Start(cmd.ctx, sample.Demo, registered)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pbx.Close()) }()
	cmd.printf("Sample PBX: FusionPBX %s tables, %d domains, %d extensions, %d CDRs of the last %d days, %d gateways, a superadmin and an admin.\n",
		sample.V55, len(pbx.Sample.Domains), sample.Demo.Extensions, pbx.Sample.CDRs, sample.Demo.Days, len(pbx.Sample.Gateways))

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("finding a port for the demo: %w", err)
	}
	outside, err := tour.StartOutside(pbx.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, outside.Close()) }()
	settings, err := config.Load("", append(pbx.Settings(listener.Addr().String()), outside.Settings()...))
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if d.Logs {
		log = service.NewLog(settings, cmd.err)
	}
	s, err := service.Open(cmd.ctx, settings, log, true)
	if err != nil {
		return err
	}
	defer s.Close()
	s.Listener = listener

	ctx, stop := context.WithCancel(cmd.ctx)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()
	tour := &tour.Tour{Out: cmd.out, Base: settings.PublicURL, Sample: pbx.Sample, Registered: registered, Verbose: d.Verbose, Console: pbx.Switch.Console, Outside: outside}
	if err := tour.Run(ctx); err != nil {
		cmd.printf("\nThe demo did NOT hold: %v\n", err)
		return err
	}
	cmd.printf("\nAll of it held.\n")
	if d.Once {
		return nil
	}
	cmd.printf("The console: %s/console, as %s with the password %s, or for the domain %s alone as %s with %s.\n",
		settings.PublicURL, pbx.Sample.SuperadminName, pbx.Sample.SuperadminPassword, pbx.Sample.AdminDomain, pbx.Sample.AdminName, pbx.Sample.AdminPassword)
	cmd.printf("It stays up at %s until Ctrl-C: paste any of the lines above. For trunkline gateways, cdr, schedules, deliveries and jobs:\n\nexport TRUNKLINE_URL=%[1]s TRUNKLINE_TOKEN=%s\n", settings.PublicURL, tour.Token())
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		served <- nil
		return err
	}
}
