package sample_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"
)

// sampleNow is when the sample's calls end in these tests: with a fraction, as clocks have it.
var sampleNow = time.Date(2025, 11, 3, 4, 5, 6, 789, time.UTC)

// The demo's sample has, in every version and with mixed column types, what the demo says it has.
func TestSampleInEveryVersion(t *testing.T) {
	t.Parallel()
	type tableCase struct {
		name    string
		version sample.Version
		options []servers.DatabaseOption
	}
	cases := []tableCase{{"mixed types", sample.V55, []servers.DatabaseOption{
		servers.WithTextColumn("v_gateways", "register"), servers.WithTextColumn("v_users", "user_enabled"),
		servers.WithTextColumn("v_xml_cdr", "missed_call"), servers.WithColumnType("v_extensions", "call_timeout", "text"),
	}}, {"SQL_ASCII", sample.V53, []servers.DatabaseOption{servers.WithEncoding("SQL_ASCII")}}}
	for _, v := range sample.Versions {
		cases = append(cases, tableCase{string(v), v, nil})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := pbxtest.Database(t, c.version, c.options...)
			s := pbxtest.Sample(t, url, sample.Options{Extensions: 300, Gateways: 5, CDRs: 10_000, Now: sampleNow})
			conn := pbxtest.Connect(t, url)
			checkCounts(t, conn, s)
			checkUsers(t, conn, s)
			checkCDRs(t, conn, 90)
		})
	}
}

func checkCounts(t *testing.T, conn *pgx.Conn, s sample.PBX) {
	t.Helper()
	for table, want := range map[string]int64{
		"v_software": 1, "v_domains": 3, "v_groups": 3, "v_users": 2, "v_user_groups": 2, "v_sip_profiles": 2,
		"v_extensions": 300, "v_gateways": 5, "v_xml_cdr": 10_000,
	} {
		if got := pbxtest.One[int64](t, conn, "select count(*) from "+table); got != want {
			t.Errorf("%s has %d rows, want %d", table, got, want)
		}
	}
	withDomain := int64(0)
	for _, d := range s.Domains {
		withDomain += d.CDRs
		if got := pbxtest.One[int64](t, conn, "select count(*) from v_extensions where domain_uuid = $1", d.UUID); got != int64(d.Extensions) || got != 100 {
			t.Errorf("%s has %d extensions, want 100 and %d", d.Name, got, d.Extensions)
		}
		if got := pbxtest.One[int64](t, conn, "select count(*) from v_xml_cdr where domain_uuid = $1", d.UUID); got != d.CDRs || got < 1000 {
			t.Errorf("%s has %d CDRs, want %d and a good share of all", d.Name, got, d.CDRs)
		}
	}
	if s.CDRs != 10_000 || withDomain >= s.CDRs || withDomain < s.CDRs*99/100 {
		t.Errorf("%d CDRs, %d of them of some domain; want 10000, and nearly all", s.CDRs, withDomain)
	}
	for _, g := range s.Gateways {
		got := pbxtest.One[string](t, conn, `
			select concat_ws(' ', gateway, coalesce(domain_uuid::text, ''), profile, register::text, enabled::text,
				(username is not null)::text, (password is not null)::text)
			from v_gateways where gateway_uuid = $1`, g.UUID)
		want := fmt.Sprintln(g.Name, g.DomainUUID, g.Profile, g.Register, g.Enabled, g.Register, g.Register)
		if got != strings.TrimSpace(want) {
			t.Errorf("gateway %q, want %q", got, want)
		}
	}
	if got := pbxtest.One[int64](t, conn, "select count(*) from v_gateways where domain_uuid is null and enabled::text = 'true'"); got != 1 {
		t.Errorf("%d global gateways, want 1", got)
	}
	if got := pbxtest.One[int64](t, conn, "select count(*) from v_gateways where enabled::text = 'false'"); got != 1 {
		t.Errorf("%d disabled gateways, want 1", got)
	}
}

func checkUsers(t *testing.T, conn *pgx.Conn, s sample.PBX) {
	t.Helper()
	for name, want := range map[string]string{
		s.SuperadminName: s.Domains[0].Name + " superadmin 80",
		s.AdminName:      s.AdminDomain + " admin 50",
	} {
		got := pbxtest.One[string](t, conn, `
			select concat_ws(' ', d.domain_name, g.group_name, g.group_level)
			from v_users u join v_domains d using (domain_uuid)
			join v_user_groups ug on ug.user_uuid = u.user_uuid and ug.domain_uuid = u.domain_uuid
			join v_groups g on g.group_uuid = ug.group_uuid and g.group_name = ug.group_name
			where u.username = $1 and u.user_enabled::text = 'true' and u.user_type = 'default'`, name)
		if got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if s.AdminDomain != s.Domains[1].Name {
		t.Errorf("the admin is in %s, want %s", s.AdminDomain, s.Domains[1].Name)
	}
	hash := pbxtest.One[string](t, conn, "select password from v_users where user_uuid = $1", s.SuperadminUUID)
	if want := fmt.Sprintf("$2y$%02d$", bcrypt.MinCost); !strings.HasPrefix(hash, want) {
		t.Errorf("the superadmin's hash begins %.7s, want %s", hash, want)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(s.SuperadminPassword)); err != nil {
		t.Errorf("the superadmin's password: %v", err)
	}
	salt := pbxtest.One[string](t, conn, "select salt from v_users where user_uuid = $1", s.AdminUUID)
	sum := md5.Sum([]byte(salt + s.AdminPassword))
	if got := pbxtest.One[string](t, conn, "select password from v_users where user_uuid = $1", s.AdminUUID); salt == "" || got != hex.EncodeToString(sum[:]) {
		t.Errorf("the admin's hash is %q with salt %q", got, salt)
	}
	for i, d := range s.Domains {
		want := []string{"UTC", "America/New_York", "UTC"}[i]
		got := pbxtest.One[string](t, conn, `
			select coalesce((select domain_setting_value from v_domain_settings where domain_uuid = $1 and domain_setting_subcategory = 'time_zone'),
				(select default_setting_value from v_default_settings where default_setting_subcategory = 'time_zone'))`, d.UUID)
		if got != want || d.TimeZone != want {
			t.Errorf("%s is in %s, said to be in %s, want %s", d.Name, got, d.TimeZone, want)
		}
	}
}

// checkCDRs checks what must hold of every CDR, and that each of the odd kinds is there.
func checkCDRs(t *testing.T, conn *pgx.Conn, days int) {
	t.Helper()
	never := []string{
		fmt.Sprintf("start_stamp < '%s'::timestamptz - interval '%d days'", sampleNow.Format(time.RFC3339Nano), days),
		fmt.Sprintf("end_stamp > '%s'", sampleNow.Format(time.RFC3339Nano)),
		"start_epoch <> extract(epoch from start_stamp) or answer_epoch <> extract(epoch from answer_stamp) or end_epoch <> extract(epoch from end_stamp)",
		"duration <> end_epoch - start_epoch",
		"answer_epoch = 0 and (billsec <> 0 or billmsec <> 0)",
		"answer_epoch <> 0 and billsec <> end_epoch - answer_epoch",
		"floor(billmsec / 1000) <> billsec",
		"missed_call::text = 'true' and answer_epoch <> 0",
		"(leg = 'b') <> (originating_leg_uuid is not null)",
		"hangup_cause = 'LOSE_RACE' and leg <> 'b'",
		"exists (select from v_extensions e where e.extension_uuid = c.extension_uuid and (e.domain_uuid <> c.domain_uuid or e.extension not in (source_number, destination_number)))",
		"leg = 'b' and not exists (select from v_xml_cdr a where a.xml_cdr_uuid = c.originating_leg_uuid and a.start_stamp = c.start_stamp)",
	}
	for _, condition := range never {
		if n := pbxtest.One[int64](t, conn, "select count(*) from v_xml_cdr c where "+condition); n > 0 {
			t.Errorf("%d CDRs with %s", n, condition)
		}
	}
	always := []string{
		"answer_stamp = 'epoch' and missed_call::text = 'true'", "answer_epoch > 0", "leg = 'b'", "domain_uuid is null",
		"direction = 'inbound'", "direction = 'outbound'", "direction = 'local'", "hangup_cause = 'LOSE_RACE'",
		"hangup_cause = 'USER_BUSY'", "rtp_audio_in_mos <> trunc(rtp_audio_in_mos)", "record_name is not null",
		"caller_id_name is null", "direction is null", "sip_call_id is null", "hangup_cause is null",
		"insert_date is null", "cc_side is not null", "extension_uuid is not null",
	}
	for _, condition := range always {
		if n := pbxtest.One[int64](t, conn, "select count(*) from v_xml_cdr c where "+condition); n == 0 {
			t.Errorf("no CDR with %s", condition)
		}
	}
	checkNames(t, conn)
}

// checkNames checks that every hostile caller name is there, to the byte.
func checkNames(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	want := slices.Clone(sample.HostileCallerNames)
	if pbxtest.One[string](t, conn, "show server_encoding") == "SQL_ASCII" {
		want = append(want, sample.InvalidCallerNames...)
	}
	stored := make(map[string]bool)
	for _, name := range pbxtest.One[[][]byte](t, conn, `
		select array_agg(distinct convert_to(caller_id_name, getdatabaseencoding())) from v_xml_cdr where caller_id_name is not null`) {
		stored[string(name)] = true
	}
	for _, name := range want {
		if !stored[name] {
			t.Errorf("no CDR with the caller name %q", name)
		}
	}
}

// The same seed gives the same CDRs and gateways, another one others.
func TestSampleIsDeterminedByItsSeed(t *testing.T) {
	t.Parallel()
	fingerprint := func(seed int64) string {
		url := pbxtest.Database(t, sample.V56)
		pbxtest.Sample(t, url, sample.Options{Domains: 2, Extensions: 7, Gateways: 6, CDRs: 500, Days: 1, Now: sampleNow, Seed: seed})
		conn := pbxtest.Connect(t, url)
		return pbxtest.One[string](t, conn, `select md5(string_agg(c::text, '' order by xml_cdr_uuid)) from v_xml_cdr c`) +
			pbxtest.One[string](t, conn, `select md5(string_agg(g::text, '' order by gateway_uuid)) from v_gateways g`)
	}
	first := fingerprint(1)
	if again := fingerprint(1); again != first {
		t.Error("the same seed gave other rows")
	}
	if other := fingerprint(2); other[:32] == first[:32] || other[32:] == first[32:] {
		t.Error("another seed gave the same rows")
	}
}

// A sample can be as small as one domain with its users, and the passwords can be given.
func TestSmallSample(t *testing.T) {
	t.Parallel()
	url := pbxtest.Database(t, sample.V54)
	s := pbxtest.Sample(t, url, sample.Options{Domains: 1, CDRs: 3, Now: sampleNow, SuperadminPassword: "one", AdminPassword: "two"})
	conn := pbxtest.Connect(t, url)
	if s.SuperadminPassword != "one" || s.AdminPassword != "two" || s.AdminDomain != "pbx1.example" {
		t.Errorf("got %q, %q and %q", s.SuperadminPassword, s.AdminPassword, s.AdminDomain)
	}
	if got := pbxtest.One[int64](t, conn, "select count(*) from v_xml_cdr"); got != 3 || s.CDRs != 3 {
		t.Errorf("%d CDRs, said to be %d, want 3", got, s.CDRs)
	}
	if got := pbxtest.One[int64](t, conn, "select count(*) from v_extensions"); got != 0 {
		t.Errorf("%d extensions, want none", got)
	}
}

// Tables that the sample does not fit are an error that names the column, and nothing is written.
func TestSampleWithoutAColumn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ table, column string }{{"v_gateways", "realm"}, {"v_xml_cdr", "leg"}} {
		t.Run(c.table, func(t *testing.T) {
			t.Parallel()
			conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
			if _, err := conn.Exec(t.Context(), "alter table "+c.table+" drop column "+c.column); err != nil {
				t.Fatal(err)
			}
			_, err := sample.Load(t.Context(), conn, sample.Options{Gateways: 1, CDRs: 1})
			if err == nil || !strings.Contains(err.Error(), c.table+"."+c.column) {
				t.Errorf("got %v, want an error that names %s.%s", err, c.table, c.column)
			}
			if got := pbxtest.One[int64](t, conn, "select count(*) from v_domains"); got != 0 {
				t.Errorf("%d domains were written, want none", got)
			}
		})
	}
}
