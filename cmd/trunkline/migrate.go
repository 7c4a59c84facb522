package main

import (
	"context"
	"fmt"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
	"trunkline/internal/service"
)

// migratePoll is how often --wait tries again.
const migratePoll = 500 * time.Millisecond

type migrateCommand struct {
	Key      bool          `help:"Make the secret key too, if there is none and the database has never had one." xor:"key"`
	Wait     time.Duration `help:"How long to wait until Postgres answers and FusionPBX's tables are there; without it, not at all." placeholder:"1m" xor:"wait"`
	CDRIndex bool          `name:"cdr-index" help:"Make an index on FusionPBX's table v_xml_cdr (start_stamp, xml_cdr_uuid), and nothing else." xor:"key,wait"`
}

func (migrateCommand) Help() string {
	return `FusionPBX's own tables are not altered, unless --cdr-index asks for it. It may run at any time, even while other processes of
Trunkline work.

With --cdr-index it makes the index by which exports and GET /v1/cdr find a span of time, and leaves Trunkline's own tables as they
are. FusionPBX goes on writing meanwhile; the index is built concurrently, on each partition if there are any. It says beforehand
how large it will be, and on standard error how far it is. If it is interrupted, run it again. The role of TRUNKLINE_DATABASE_URL
has to own the table.

Example: trunkline migrate

Example: trunkline migrate --key --wait 1m

Example: trunkline migrate --cdr-index`
}

func (m migrateCommand) Run(cmd *command) error {
	settings, err := cmd.settings()
	if err != nil {
		return err
	}
	if m.CDRIndex {
		return cmd.makeCDRIndex(settings)
	}
	version, err := m.withRetries(cmd.ctx, settings)
	if err != nil {
		return err
	}
	cmd.printf("schema trunkline is at version %d\n", version)
	return nil
}

// withRetries migrates, and tries again for as long as Wait; the error is that of the last try.
func (m migrateCommand) withRetries(ctx context.Context, settings config.Settings) (version int64, err error) {
	waiting, cancel := context.WithTimeout(ctx, m.Wait)
	defer cancel()
	for {
		if version, err = m.migrate(ctx, settings); err == nil || m.Wait <= 0 {
			return version, err
		}
		select {
		case <-waiting.Done():
			return 0, fmt.Errorf("waited %s: %w", m.Wait, err)
		case <-time.After(migratePoll):
		}
	}
}

func (m migrateCommand) migrate(ctx context.Context, settings config.Settings) (version int64, err error) {
	pool, err := service.OpenDatabase(ctx, settings)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	if _, err := fusionpbx.Probe(ctx, pool); err != nil {
		return 0, err
	}
	if version, err = postgres.Migrate(ctx, pool); err != nil || !m.Key {
		return version, err
	}
	keys, err := service.Keys(ctx, settings, pool, true)
	if err != nil {
		return 0, err
	}
	return version, keys.CheckDatabase(ctx, pool)
}
