package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/freeswitch"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/running"
	"trunkline/internal/pbxtest/sample"
)

const (
	// sampleMark is the comment on the schema that marks a sample's database, and loadingMark the one while
	// the sample is loaded.
	sampleMark  = "a sample PBX of trunkline demo-pbx"
	loadingMark = "trunkline demo-pbx loads its sample"
	// askTimeout bounds asking whether a sample PBX works.
	askTimeout = 3 * time.Second
)

type pbxCommand struct {
	Database string `required:"" placeholder:"URL" help:"An empty Postgres database of its own: postgres://user:password@host:port/database."`
	Listen   string `default:"127.0.0.1:8021" help:"Where the simulated event socket listens: host:port."`
	Password string `default:"trunkline-demo" help:"The password of the users superadmin and admin, in a sample that it loads."`
	Ask      bool   `help:"Only ask the one at --listen whether it works: status 0 or 1."`
}

func (pbxCommand) Help() string {
	return `It loads the sample of trunkline-demo demo into that database, if it is empty, and simulates a FreeSWITCH on it until Ctrl-C.
A database that holds anything but such a sample is refused and left as it is. The event socket's password is ` + fssim.Password + `.
The demo profile of docker-compose.yml runs it.

Example: trunkline-demo pbx --database postgres://me:secret@127.0.0.1/sample`
}

func (d pbxCommand) Run(cmd *command) error {
	if d.Ask {
		return d.ask(cmd.ctx)
	}
	made, err := d.sample(cmd.ctx)
	if err != nil {
		return err
	}
	if made {
		cmd.printf("The sample is loaded: %d extensions, %d CDRs, %d gateways; users superadmin and admin.\n",
			sample.Demo.Extensions, sample.Demo.CDRs, sample.Demo.Gateways)
	}
	sw, err := running.StartSwitch(cmd.ctx, d.Database, d.Listen, registered)
	if err != nil {
		return err
	}
	cmd.printf("The simulated FreeSWITCH listens on %s.\n", sw.Addr())
	<-cmd.ctx.Done()
	return sw.Close()
}

// sample loads the sample if the database is empty, and takes one that it loaded before.
func (d pbxCommand) sample(ctx context.Context) (made bool, err error) {
	conn, err := pgx.Connect(ctx, d.Database)
	if err != nil {
		return false, fmt.Errorf("--database: %w; name an empty database that is reached from here", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	var mark string
	var tables int
	err = conn.QueryRow(ctx, `
		select coalesce(obj_description('public'::regnamespace, 'pg_namespace'), ''),
			(select count(*) from pg_class where relnamespace = 'public'::regnamespace)`).Scan(&mark, &tables)
	if err != nil {
		return false, fmt.Errorf("--database: looking at what is in it: %w", err)
	}
	switch {
	case mark == sampleMark:
		return false, nil
	case mark == loadingMark:
		if _, err := conn.Exec(ctx, "drop schema public cascade; create schema public"); err != nil {
			return false, fmt.Errorf("--database: removing a half-loaded sample: %w", err)
		}
	case tables > 0:
		return false, errors.New("--database: it holds tables that are not a sample's; nothing was changed. Name an empty database")
	}
	if err := markSchema(ctx, conn, loadingMark); err != nil {
		return false, err
	}
	options := sample.Demo
	options.SuperadminPassword, options.AdminPassword = d.Password, d.Password
	if err := sample.CreateTables(ctx, conn, sample.V55); err != nil {
		return false, err
	}
	if _, err := sample.Load(ctx, conn, options); err != nil {
		return false, err
	}
	return true, markSchema(ctx, conn, sampleMark)
}

func markSchema(ctx context.Context, conn *pgx.Conn, mark string) error {
	if _, err := conn.Exec(ctx, "comment on schema public is '"+mark+"'"); err != nil {
		return fmt.Errorf("--database: marking it as a sample's: %w; its user must own the database", err)
	}
	return nil
}

// ask is the health check of a sample PBX: its event socket, which listens once the sample is loaded, answers.
func (d pbxCommand) ask(ctx context.Context) error {
	_, port, err := net.SplitHostPort(d.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w; write host:port", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	sw := freeswitch.New(net.JoinHostPort("127.0.0.1", port), fssim.Password, freeswitch.Options{})
	defer sw.Close()
	if _, err := sw.Status(ctx); err != nil {
		return fmt.Errorf("the sample PBX does not work: %w", err)
	}
	return nil
}
