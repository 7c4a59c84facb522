package cdr

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"

	"trunkline/internal/export"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/postgres/postgrestest"
)

// TestCommittedFiles looks at what people find in the store, of every version of FusionPBX: sha256sum takes the file for
// whole, the manifest says of it what the database does, and what was read for that alone is not in the file.
func TestCommittedFiles(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			onEveryStore(t, func(t *testing.T, s *testStore) { committedFiles(t, version, s) })
		})
	}
}

func committedFiles(t *testing.T, version sample.Version, s *testStore) {
	t.Helper()
	url := pbxtest.Database(t, version, postgrestest.Tables)
	pbxtest.Sample(t, url, sample.Options{Extensions: 3, CDRs: 120, Days: 10})
	pool := postgrestest.Migrated(t, url)
	db, err := fusionpbx.Probe(t.Context(), pool)
	must(t, err)
	e := Exporter{PBX: &pbx.PBX{Pool: pool, FusionPBX: db}, Store: s.Store, Retention: time.Hour, SliceRows: 20}
	whole := all()
	must(t, pool.QueryRow(t.Context(), "select domain_uuid::text, domain_name from v_xml_cdr group by 1, 2 order by count(*) desc limit 1").
		Scan(&whole.DomainUUID, &whole.DomainName))
	whole.Start, whole.End = whole.Start.Truncate(time.Second), whole.End.Truncate(time.Second)
	for _, format := range export.Formats() {
		for _, compression := range []export.Compression{export.None, export.Gzip, export.Zstd} {
			if export.CheckCompression(format, compression) != nil {
				continue
			}
			for _, columns := range [][]string{{"extension"}, {"billsec"}, {"xml_cdr_uuid", "leg"}, {"start_stamp"}, nil} {
				r := whole
				r.Format, r.Compression, r.Columns = format, compression, columns
				checkCommitted(t, e, s, r)
			}
		}
	}
	for name, change := range map[string]string{"one is no number": "NaN", "one is infinite": "Infinity"} {
		_, err := pool.Exec(t.Context(), "update v_xml_cdr set billsec = $1::text::numeric where xml_cdr_uuid = (select min(xml_cdr_uuid::text)::uuid from v_xml_cdr where domain_uuid = $2::text::uuid)",
			change, whole.DomainUUID)
		must(t, err)
		if m := checkCommitted(t, e, s, whole); m.TotalBillsec != nil {
			t.Errorf("%s, and the total is %v", name, *m.TotalBillsec)
		}
	}
}

// checkCommitted writes and commits an export, and compares what is in the store with the database.
func checkCommitted(t *testing.T, e Exporter, s *testStore, r Request) (m Manifest) {
	t.Helper()
	id, what := uuid.NewString(), fmt.Sprint(r.Format, " ", r.Compression, " ", r.Columns)
	file, err := e.Write(t.Context(), id, 1, r, 0, Hooks{Journal: &forgetful{}})
	must(t, err)
	result, err := file.Commit(t.Context())
	must(t, err)
	dir := t.TempDir()
	for _, name := range []string{result.File, result.File + checksumSuffix} {
		must(t, os.WriteFile(filepath.Join(dir, name), s.read(name), 0o600))
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--strict", "-c", result.File+".sha256")
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil || string(out) != result.File+": OK\n" {
		t.Errorf("%s: sha256sum says %q, %v", what, out, err)
	}
	content := s.read(result.File + ".manifest.json")
	must(t, json.Unmarshal(content, &m))
	if read, err := e.Manifest(t.Context(), id, result); err != nil || !reflect.DeepEqual(read, m) {
		t.Errorf("%s: the manifest is read as %+v, %v", what, read, err)
	}

	var rows int64
	var seconds *float64
	var first, last time.Time
	var firstUUID, lastUUID string
	must(t, e.PBX.Pool.QueryRow(t.Context(), `
		select count(*), case when sum(billsec::numeric) not in ('NaN', 'Infinity') then sum(billsec::numeric)::float8 end, min(start_stamp), max(start_stamp),
			(array_agg(xml_cdr_uuid::text order by start_stamp, xml_cdr_uuid))[1],
			(array_agg(xml_cdr_uuid::text order by start_stamp desc, xml_cdr_uuid desc))[1]
		from v_xml_cdr where domain_uuid = $1::text::uuid and start_stamp >= $2 and start_stamp < $3`, r.DomainUUID, r.Start, r.End).
		Scan(&rows, &seconds, &first, &last, &firstUUID, &lastUUID))
	data, err := os.ReadFile(filepath.Join(dir, m.File))
	must(t, err)
	if m.Rows != rows || rows < 10 || m.Bytes != int64(len(data)) || !slices.Equal(m.Columns, r.columns()) || m.Domain != r.DomainName || m.DomainUUID != r.DomainUUID {
		t.Errorf("%s: the manifest is %s, want %d rows, %d bytes", what, content, rows, len(data))
	}
	if !m.Window.Start.Equal(r.Start) || !m.Window.End.Equal(r.End) || m.Window.DateStart != r.DateStart || m.TimeZone != r.TimeZone {
		t.Errorf("%s: the window is %+v, want %+v", what, m.Window, r.Window)
	}
	if (m.TotalBillsec == nil) != (seconds == nil) || seconds != nil && *m.TotalBillsec != *seconds {
		t.Errorf("%s: the total is %v, want %v", what, m.TotalBillsec, seconds)
	}
	for _, key := range []struct {
		got  []*string
		at   time.Time
		uuid string
	}{{m.FirstKey, first, firstUUID}, {m.LastKey, last, lastUUID}} {
		if len(key.got) != 2 || key.got[0] == nil || key.got[1] == nil {
			t.Errorf("%s: a key is %v", what, key.got)
			continue
		}
		if at, err := time.Parse(time.RFC3339, *key.got[0]); err != nil || !at.Equal(key.at) || *key.got[1] != key.uuid {
			t.Errorf("%s: a key is %s, %s, want %s, %s", what, *key.got[0], *key.got[1], key.at, key.uuid)
		}
	}
	wantColumns(t, what, data, r, firstUUID)
	return m
}

// wantColumns looks into a file for columns that were not asked for.
func wantColumns(t *testing.T, what string, data []byte, r Request, uuid string) {
	t.Helper()
	if r.Format == export.Parquet {
		file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		must(t, err)
		var names []string
		for _, path := range file.Schema().Columns() {
			names = append(names, strings.Join(path, "/"))
		}
		if !slices.Equal(names, r.columns()) {
			t.Errorf("%s: the columns are %q", what, names)
		}
		return
	}
	if r.Compression != export.None {
		unpack := exec.CommandContext(t.Context(), pbxtest.Tool(t, string(r.Compression), string(r.Compression)), "-dc")
		unpack.Stdin = bytes.NewReader(data)
		var err error
		data, err = unpack.Output()
		must(t, err)
	}
	for _, column := range []string{"start_stamp", "xml_cdr_uuid", "billsec"} {
		if is := bytes.Contains(data, []byte(column)); is != slices.Contains(r.columns(), column) {
			t.Errorf("%s: that the column %s is there is %v", what, column, is)
		}
	}
	if is := bytes.Contains(data, []byte(uuid)); is != slices.Contains(r.columns(), uuidColumn) {
		t.Errorf("%s: that the first call's UUID is there is %v", what, is)
	}
	if line, _, _ := bytes.Cut(data, []byte("\n")); r.Format == export.CSV && string(line) != strings.Join(r.columns(), ",") {
		t.Errorf("%s: the header is %s", what, line)
	}
}

// TestASettingThatChangesBetweenAttempts has an attempt go on where another was cut off that wrote rows another way.
func TestASettingThatChangesBetweenAttempts(t *testing.T) {
	t.Parallel()
	s := folderStore(t, nil)
	e := newExporter(t, 50, s)
	r, id := all(), uuid.NewString()
	part, err := e.Store.Create(t.Context(), fileName(id, r.Format, r.Compression), 1, nil)
	must(t, err)
	must(t, part.Leave())
	journal := &forgetful{earlier: []export.Slice{{Span: export.Span{From: r.Start, To: r.End}, Part: 1, Form: "another"}}}
	file, err := e.Write(t.Context(), id, 2, r, 0, Hooks{Journal: journal})
	must(t, err)
	result, err := file.Commit(t.Context())
	must(t, err)
	if result.TotalRecords != 50 || journal.earlier != nil {
		t.Errorf("%d rows, and the journal still has %v", result.TotalRecords, journal.earlier)
	}
	s.want(id+".csv", id+".csv.manifest.json", id+".csv.sha256")
}

// forgetful is a journal that keeps nothing.
type forgetful struct{ earlier []export.Slice }

func (f *forgetful) Earlier(context.Context) ([]export.Slice, error) { return f.earlier, nil }

func (*forgetful) Keep(context.Context, int, []export.Slice) error { return nil }

func (f *forgetful) Forget(context.Context) error {
	f.earlier = nil
	return nil
}

func (*forgetful) GoesOn(context.Context, error) bool { return false }
