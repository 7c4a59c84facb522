// Package running is a sample PBX that a program of ours can be started on: private servers with the sample's
// rows, a simulated switch on them, and the settings that name them. It is for the demo and measurements.
package running

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

// folderPrefix begins the names of the folders of sample PBXs.
const folderPrefix = "trunkline-sample-"

// PBX is a sample PBX with all its files in one folder.
type PBX struct {
	Servers  *servers.Pair
	Database string // its URL
	Sample   sample.PBX
	Switch   *fssim.Switch
	Dir      string // where all its files are, and what a program on it writes

	folder *servers.Folder
}

// Start starts servers and a switch in a folder of their own. A device is registered for so many of the
// sample's extensions. The caller closes it.
func Start(ctx context.Context, o sample.Options, registered int) (_ *PBX, err error) {
	folder, err := servers.NewFolder("", folderPrefix)
	if err != nil {
		return nil, err
	}
	dir := folder.Path
	p := &PBX{Dir: dir, folder: folder}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	// Postgres refuses to run as root, so its folder in this one is another account's.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, fmt.Errorf("making the sample PBX's folder: %w", err)
	}
	if p.Servers, err = servers.Start(ctx, servers.Options{Dir: dir, Durable: true}); err != nil {
		return nil, err
	}
	if p.Database, err = p.Servers.CreateDatabase(ctx, "fusionpbx", sample.V55); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, p.Database)
	if err != nil {
		return nil, fmt.Errorf("opening the sample's database: %w", err)
	}
	p.Sample, err = sample.Load(ctx, conn, o)
	if err := errors.Join(err, conn.Close(context.WithoutCancel(ctx))); err != nil {
		return nil, err
	}
	if err := os.WriteFile(p.whitelist(), []byte("127.0.0.1 # this host\n::1\n"), 0o600); err != nil {
		return nil, fmt.Errorf("writing a whitelist: %w", err)
	}
	p.Switch, err = StartSwitch(ctx, p.Database, "", registered)
	return p, err
}

// StartSwitch starts the simulated FreeSWITCH, in the times of a real one, on the sample in that database.
func StartSwitch(ctx context.Context, database, listen string, registered int) (*fssim.Switch, error) {
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

func (p *PBX) whitelist() string { return filepath.Join(p.Dir, "chkcon_whitelist.conf") }

// Close stops what Start started, and removes the folder.
func (p *PBX) Close() error {
	var errs []error
	if p.Switch != nil {
		errs = append(errs, p.Switch.Close())
	}
	if p.Servers != nil {
		errs = append(errs, p.Servers.Close())
	}
	return errors.Join(append(errs, p.folder.Remove())...)
}

// Settings are those of a Trunkline on this PBX that only this host may call, as lines NAME=VALUE.
func (p *PBX) Settings(listen string) []string {
	return []string{
		"TRUNKLINE_DATABASE_URL=" + p.Database,
		"TRUNKLINE_REDIS_URL=redis://" + p.Servers.RedisAddr(),
		"TRUNKLINE_SWITCHES=" + p.Switch.Addr(),
		"TRUNKLINE_SWITCH_PASSWORD=" + fssim.Password,
		"TRUNKLINE_LISTEN=" + listen,
		"TRUNKLINE_WHITELIST=" + p.whitelist(),
		"TRUNKLINE_EXPORT_DIR=" + filepath.Join(p.Dir, "exports"),
		"TRUNKLINE_EXPORT_MIN_FREE_BYTES=100MiB",
		"TRUNKLINE_SECRET_KEY=" + p.SecretKey(),
	}
}

// SecretKey is the file of the secret key, which the first start makes.
func (p *PBX) SecretKey() string { return filepath.Join(p.Dir, "secret.key") }
