package cdr

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/export"
)

// none is the journal of an export of which no attempt was cut off.
type none struct{}

func (none) Earlier(context.Context) ([]export.Slice, error) { return nil, nil }
func (none) Keep(context.Context, int, []export.Slice) error { return nil }
func (none) Forget(context.Context) error                    { return nil }
func (none) GoesOn(context.Context, error) bool              { return false }

// partition makes v_xml_cdr a table partitioned by month, as an operator does, with its rows. Rows without a start are in
// the default partition.
func partition(t *testing.T, e Exporter, from time.Time, months int) {
	t.Helper()
	sql := `
		alter table v_xml_cdr rename to plain;
		create table v_xml_cdr (like plain including defaults) partition by range (start_stamp);
		create table cdr_default partition of v_xml_cdr default;`
	for i := range months {
		sql += fmt.Sprintf("create table cdr_%d partition of v_xml_cdr for values from ('%s') to ('%s');", i,
			from.AddDate(0, i, 0).Format(time.RFC3339), from.AddDate(0, i+1, 0).Format(time.RFC3339))
	}
	sql += "insert into v_xml_cdr select * from plain; drop table plain;"
	_, err := e.PBX.Pool.Exec(t.Context(), sql)
	must(t, err)
}

// A table that is partitioned by time gives the same bytes as one that is not, through one connection and through several,
// and what lies outside the window is not looked at.
func TestPartitionedTable(t *testing.T) {
	t.Parallel()
	e := newExporter(t, 3000, folderStore(t, nil))
	// Calls that began in the same microsecond, around where a slice ends; and some of which nobody knows when they began.
	_, err := e.PBX.Pool.Exec(t.Context(), `
		insert into v_xml_cdr (xml_cdr_uuid, start_stamp, caller_id_name)
			select gen_random_uuid(), now() - interval '1 day' + n / 40 * interval '1 microsecond', 'tie' from generate_series(1, 400) as n;
		insert into v_xml_cdr (xml_cdr_uuid, caller_id_name) select gen_random_uuid(), 'no start' from generate_series(1, 10)`)
	must(t, err)
	e.Rows, e.Share, e.SliceRows = e.PBX.Pool, 25, 100
	request := all()
	write := func(connections int, format export.Format) Result {
		t.Helper()
		e.Connections = connections
		r := request
		r.Format = format
		file, err := e.Write(t.Context(), uuid.NewString(), 1, r, 0, Hooks{Journal: none{}})
		must(t, err)
		result, err := file.Commit(t.Context())
		must(t, err)
		return result
	}
	formats := []export.Format{export.CSV, export.Parquet}
	want := map[export.Format]Result{}
	for _, format := range formats {
		if want[format] = write(1, format); want[format].TotalRecords != 3400 {
			t.Fatalf("%s has %d rows, want 3400", format, want[format].TotalRecords)
		}
	}
	month := time.Now().UTC().AddDate(0, -2, 1-time.Now().UTC().Day()).Truncate(24 * time.Hour)
	partition(t, e, month, 4)
	_, err = e.PBX.Pool.Exec(t.Context(), "create index on v_xml_cdr (start_stamp, xml_cdr_uuid)")
	must(t, err)
	_, err = e.PBX.FusionPBX.Refresh(t.Context())
	must(t, err)
	for _, format := range formats {
		for _, connections := range []int{1, 3} {
			if got := write(connections, format); got.SHA256 != want[format].SHA256 {
				t.Errorf("%s through %d connections: %d rows and %d bytes, want %d and %d, or other bytes", format, connections,
					got.TotalRecords, got.Bytes, want[format].TotalRecords, want[format].Bytes)
			}
		}
	}
	request.Start, request.End = month.AddDate(0, 0, 3), month.AddDate(0, 0, 5)
	from := cdrs{db: e.PBX.FusionPBX, filter: request.Holds()}
	span := export.Span{From: request.Start, To: request.End}
	for name, ask := range map[string]func() (string, []any, error){
		"rows": func() (string, []any, error) { return from.Rows(span) },
		"nth":  func() (string, []any, error) { return from.Nth(span, 100) },
	} {
		sql, args, err := ask()
		must(t, err)
		var plan json.RawMessage
		must(t, e.PBX.Pool.QueryRow(t.Context(), "explain (format json) "+sql, args...).Scan(&plan))
		if text := string(plan); !strings.Contains(text, `"cdr_0"`) || strings.Contains(text, `"cdr_1"`) || strings.Contains(text, `"cdr_default"`) {
			t.Errorf("%s: looks at other partitions: %s", name, text)
		}
	}
}
