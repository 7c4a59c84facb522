package fusionpbx

import (
	"strings"
	"testing"

	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

func TestProbeReadsEachColumnsType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version  sample.Version
		opts     []servers.DatabaseOption
		enabled  string // v_gateways.enabled
		register string // v_gateways.register
	}{
		{sample.V53, nil, "text", "text"},
		{sample.V54, nil, "text", "text"},
		{sample.V55, nil, "boolean", "boolean"},
		{sample.V55, mixed, "boolean", "text"},
		{sample.V56, nil, "boolean", "boolean"},
	} {
		t.Run(string(c.version)+" "+c.register, func(t *testing.T) {
			t.Parallel()
			p := open(t, c.version, c.opts...)
			for column, want := range map[string]string{"enabled": c.enabled, "register": c.register, "expire_seconds": "numeric", "gateway_uuid": "uuid"} {
				if got, ok := p.ColumnType("v_gateways", column); got != want || !ok {
					t.Errorf("%s: got %q, %t; want %q", column, got, ok, want)
				}
			}
			if got, ok := p.ColumnType("v_gateways", "none"); ok {
				t.Errorf("a column that is not there is of type %q", got)
			}
			version, err := p.Version(t.Context())
			if err != nil || version != string(c.version) {
				t.Errorf("version: got %q, %v", version, err)
			}
		})
	}
}

// The tables that count are those that an unqualified name means.
func TestProbeFollowsTheSearchPath(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55)
	p.exec(t, "create schema other")
	p.exec(t, "create table other.v_gateways (like public.v_gateways)")
	p.exec(t, "alter table other.v_gateways alter enabled type text")
	for path, want := range map[string]string{"public": "boolean", "public, other": "boolean", "other, public": "text"} {
		p.exec(t, "set search_path to "+path)
		db, err := Probe(t.Context(), p.conn)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := db.ColumnType("v_gateways", "enabled"); got != want {
			t.Errorf("search path %s: got %s, want %s", path, got, want)
		}
	}
}

func TestProbeNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V54)
	p.exec(t, "drop table v_sip_profiles")
	p.exec(t, "alter table v_users drop column password")
	p.exec(t, "alter table v_users drop column user_totp_secret")
	_, err := Probe(t.Context(), p.conn)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"table v_sip_profiles", "column v_users.password", "TRUNKLINE_DATABASE_URL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "totp") {
		t.Errorf("the error names a column that can be done without: %v", err)
	}
}

func TestVersionOfNone(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V56)
	p.exec(t, "delete from v_software")
	if got, err := p.Version(t.Context()); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
