package fusionpbx

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

// pbx is a FusionPBX database under test.
type pbx struct {
	*DB
	conn *pgx.Conn
}

func open(t testing.TB, v sample.Version, opts ...servers.DatabaseOption) pbx {
	t.Helper()
	conn := pbxtest.Connect(t, pbxtest.Database(t, v, opts...))
	db, err := Probe(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return pbx{db, conn}
}

// mixed is a 5.5 that was upgraded from 5.4, where the types of some columns could not be changed.
var mixed = []servers.DatabaseOption{
	servers.WithTextColumn("v_gateways", "register"),
	servers.WithTextColumn("v_gateways", "supress_cng"),
	servers.WithTextColumn("v_gateways", "channels"),
	servers.WithColumnType("v_gateways", "realm", "character varying(40)"),
	servers.WithTextColumn("v_users", "user_enabled"),
	servers.WithTextColumn("v_domains", "domain_enabled"),
	servers.WithTextColumn("v_sip_profiles", "sip_profile_enabled"),
	servers.WithTextColumn("v_default_settings", "default_setting_enabled"),
}

// each runs a test on the tables of every version and on a mixture.
func each(t *testing.T, test func(t *testing.T, p pbx)) {
	t.Parallel()
	for _, v := range sample.Versions {
		t.Run(string(v), func(t *testing.T) {
			t.Parallel()
			test(t, open(t, v))
		})
	}
	t.Run("mixed", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, sample.V55, mixed...))
	})
}

// row is a row of a table, as text; "NULL" is NULL.
type row map[string]string

// insert adds a row, and its primary key if the row lacks it.
func (p pbx) insert(t testing.TB, table string, r row) {
	t.Helper()
	var names, values []string
	var args []any
	for column, value := range r {
		columnType, ok := p.ColumnType(table, column)
		if !ok {
			t.Fatalf("there is no column %s.%s", table, column)
		}
		names = append(names, column)
		if value == "NULL" {
			values = append(values, "null")
			continue
		}
		args = append(args, value)
		values = append(values, fmt.Sprintf("$%d::text::%s", len(args), columnType))
	}
	p.exec(t, "insert into "+table+" ("+strings.Join(names, ", ")+") values ("+strings.Join(values, ", ")+")", args...)
}

func (p pbx) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := p.conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// domain adds a domain and returns its UUID.
func (p pbx) domain(t testing.TB, name string, enabled string) string {
	t.Helper()
	id := uuid.NewString()
	p.insert(t, "v_domains", row{"domain_uuid": id, "domain_name": name, "domain_enabled": enabled})
	return id
}

// UpdateGateway is one Update.
func (d *DB) UpdateGateway(ctx context.Context, g Gateway, userUUID string) error {
	w := d.Writes()
	w.Update(g, userUUID)
	return w.Send(ctx)
}

// DeleteGateway is one Delete.
func (d *DB) DeleteGateway(ctx context.Context, uuid string) error {
	w := d.Writes()
	w.Delete(uuid)
	return w.Send(ctx)
}

// Authenticate finds the users of a name and checks their password.
func (d *DB) Authenticate(ctx context.Context, passwords *Passwords, username, password string) (User, error) {
	named, err := d.Find(ctx, username)
	if err != nil {
		return User{}, err
	}
	account, err := named.Check(ctx, passwords, password)
	if err != nil {
		return User{}, err
	}
	return account.ByPassword()
}
