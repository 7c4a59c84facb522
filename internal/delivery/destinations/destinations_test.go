package destinations_test

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/config"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/sealing"
	"trunkline/internal/tenant"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

type bundle struct {
	*destinations.Store
	pool *pgxpool.Pool
	keys *sealing.Keys
}

func newBundle(t *testing.T) *bundle {
	t.Helper()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, postgrestest.Tables))
	keys, err := sealing.NewKeys(make([]byte, 32))
	must(t, err)
	must(t, keys.CheckDatabase(t.Context(), pool))
	return &bundle{destinations.New(pool, keys, config.Settings{
		DeliveryDir: t.TempDir(), DestinationsPerDomain: 10, DeliveryNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}), pool, keys}
}

const domain = "0190b5a0-0000-7000-8000-00000000000d"

// sftpTo is a destination of kind sftp.
func sftpTo(name string, more ...string) destinations.Given {
	values := destinations.Values{"host": "files.example", "login": "billing", "login_password": "hunter2"}
	for i := 0; i < len(more); i += 2 {
		values[more[i]] = more[i+1]
	}
	return destinations.Given{DomainUUID: domain, Name: name, Kind: "sftp", Values: values, Enabled: true, CreatedBy: "admin"}
}

// sealed is what is kept of a destination's credentials.
func (b *bundle) sealed(t *testing.T, id string) (sealed []byte) {
	t.Helper()
	must(t, b.pool.QueryRow(t.Context(), "select sealed from trunkline.destinations where id = $1", id).Scan(&sealed))
	return sealed
}

func TestCredentialsAreSealed(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	d, err := b.Create(t.Context(), sftpTo("files"))
	must(t, err)
	var row string
	must(t, b.pool.QueryRow(t.Context(), "select to_jsonb(d)::text from trunkline.destinations as d where id = $1", d.ID).Scan(&row))
	if strings.Contains(row, "hunter2") || !d.HasCredentials || string(d.Settings) != `{"host":"files.example","login":"billing"}` {
		t.Errorf("got %s", row)
	}
	// They outlive a change of the key, with which they are sealed again.
	before := b.sealed(t, d.ID)
	must(t, b.keys.Rotate(t.Context(), b.pool, bytes.Repeat([]byte{7}, 32)))
	if done, err := b.keys.Upkeep(t.Context()); err != nil || done.Resealed != 1 || bytes.Equal(b.sealed(t, d.ID), before) {
		t.Errorf("got %+v, %v", done, err)
	}
	var opened map[string]string
	must(t, b.keys.Open("destination/"+d.ID, b.sealed(t, d.ID), &opened))
	if opened["login_password"] != "hunter2" {
		t.Errorf("got %v", opened)
	}
}

// Nobody is sent the credentials of another one.
func TestCredentialsStayWhereTheyAreSent(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	d, err := b.Create(t.Context(), sftpTo("files"))
	must(t, err)
	change := func(more ...string) error {
		values := destinations.Values{}
		for i := 0; i < len(more); i += 2 {
			values[more[i]] = more[i+1]
		}
		_, err := b.Change(t.Context(), d.ID, tenant.All, destinations.Change{Values: values})
		return err
	}
	for _, elsewhere := range [][]string{{"host", "evil.example"}, {"port", "2222"}, {"login", "root"}} {
		if err := change(elsewhere...); !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), "anew") {
			t.Errorf("%v: got %v", elsewhere, err)
		}
	}
	must(t, change("folder", "cdr"))
	must(t, change("host", "other.example", "login_password", "hunter3"))
	must(t, change("private_key", ""))
	if err := change("login_password", ""); !fault.Is(err, fault.MissingParameters) {
		t.Errorf("without any: got %v", err)
	}
	if err := change("bucket", "x"); !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), "bucket") {
		t.Errorf("of another kind: got %v", err)
	}
	if err := change("port", "ssh"); !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), "port") {
		t.Errorf("no number: got %v", err)
	}
	if err := change("make_folders", "perhaps"); !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), "make_folders") {
		t.Errorf("no flag: got %v", err)
	}
	// Those that were sealed with a key that is lost are given anew.
	_, err = b.pool.Exec(t.Context(), "update trunkline.destinations set sealed = $2 where id = $1", d.ID, bytes.Repeat([]byte{1}, 60))
	must(t, err)
	if err := change("folder", "x"); !fault.Is(err, fault.ServerError) || !strings.Contains(err.Error(), "anew") {
		t.Errorf("got %v", err)
	}
	must(t, change("login_password", "hunter4"))
	must(t, change("folder", "x"))
}

// The first test of a server pins its key, and a later one holds it to that.
func TestPinning(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	server, other := pbxtest.StartSSHD(t, ""), pbxtest.StartSSHD(t, "")
	host, port, err := net.SplitHostPort(server.Addr())
	must(t, err)
	given := sftpTo("files", "host", host, "port", port, "login", server.Login, "login_password", "", "private_key", server.Key)
	report, err := b.TestGiven(t.Context(), given)
	if err != nil || report.HostKey != server.HostKey {
		t.Errorf("before it is kept: got %+v, %v", report, err)
	}
	d, err := b.Create(t.Context(), given)
	must(t, err)
	report, pinned, err := b.Test(t.Context(), d)
	if err != nil || !pinned || report.HostKey != server.HostKey || !strings.Contains(report.Message, "let us log in") {
		t.Errorf("got %+v, %t, %v\n%s", report, pinned, err, server.Log())
	}
	if _, _, err := b.Test(t.Context(), d); !fault.Is(err, fault.Conflict) {
		t.Errorf("with what stood before: got %v", err)
	}
	if d, err = b.Get(t.Context(), d.ID, tenant.All); err != nil || !strings.Contains(string(d.Settings), server.HostKey) {
		t.Errorf("got %s, %v", d.Settings, err)
	}
	if d.LastTest == nil || d.LastTest.Message != report.Message || d.LastTest.HostKey != server.HostKey || d.LastTest.Code != "" {
		t.Errorf("kept of the test is %+v", d.LastTest)
	}
	if _, pinned, err = b.Test(t.Context(), d); err != nil || pinned {
		t.Errorf("once more: got %t, %v", pinned, err)
	}
	_, otherPort, err := net.SplitHostPort(other.Addr())
	must(t, err)
	d, err = b.Change(t.Context(), d.ID, tenant.All, destinations.Change{Values: destinations.Values{"port": otherPort, "private_key": other.Key}})
	must(t, err)
	if _, pinned, err := b.Test(t.Context(), d); !fault.Is(err, fault.DeliveryRefused) || pinned {
		t.Errorf("another server: got %t, %v", pinned, err)
	}
	if d, err = b.Get(t.Context(), d.ID, tenant.All); err != nil || d.LastTest.Code != fault.DeliveryRefused || d.LastTest.Problem == "" || d.LastTest.Message != "" {
		t.Errorf("kept of the test is %+v, %v", d.LastTest, err)
	}
}

func TestUse(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	own, err := b.Create(t.Context(), sftpTo("own"))
	must(t, err)
	given := sftpTo("all")
	given.DomainUUID = ""
	all, err := b.Create(t.Context(), given)
	must(t, err)
	const other = "0190b5a0-0000-7000-8000-00000000000e"
	for _, tc := range []struct {
		id, domain string
		code       fault.Code
	}{
		{own.ID, domain, ""}, {all.ID, domain, ""}, {all.ID, "", ""}, {own.ID, other, fault.Forbidden}, {own.ID, "", fault.Forbidden},
		{other, domain, fault.NotFound}, {"x", domain, fault.NotFound},
	} {
		if _, err := b.Use(t.Context(), tc.id, tc.domain); tc.code == "" && err != nil || tc.code != "" && !fault.Is(err, tc.code) {
			t.Errorf("%s for %q: got %v", tc.id, tc.domain, err)
		}
	}
	_, err = b.Change(t.Context(), own.ID, tenant.All, destinations.Change{Enabled: new(bool)})
	must(t, err)
	if _, err := b.Use(t.Context(), own.ID, domain); !fault.Is(err, fault.Conflict) {
		t.Errorf("disabled: got %v", err)
	}
}

// What a schedule delivers to stays.
func TestDeleteWhatSchedulesUse(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	d, err := b.Create(t.Context(), sftpTo("own"))
	must(t, err)
	_, err = b.pool.Exec(t.Context(), `
		insert into trunkline.schedules (id, domain_name, name, cron, time_zone, kind, lag, request, each_domain, file_name, destinations, enabled, watermark, planned_at,
			created_by_name, created_at, changed_by_name, changed_at)
		values (gen_random_uuid(), '', 'nightly', '@daily', 'UTC', 'previous_day', 0, '{}', false, '{number}', array[$1::uuid], true, now(), now(), '', now(), '', now())`, d.ID)
	must(t, err)
	if _, err := b.Delete(t.Context(), d.ID, tenant.All); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "nightly") {
		t.Errorf("got %v", err)
	}
	if users, err := b.Users(t.Context(), d.ID); err != nil || len(users) != 1 || users[0].Name != "nightly" {
		t.Errorf("got %v, %v", users, err)
	}
	_, err = b.pool.Exec(t.Context(), "delete from trunkline.schedules")
	must(t, err)
	_, err = b.Delete(t.Context(), d.ID, tenant.All)
	must(t, err)
	if _, err := b.Delete(t.Context(), d.ID, tenant.All); !fault.Is(err, fault.NotFound) {
		t.Errorf("once more: got %v", err)
	}
}

var must = pbxtest.Must
