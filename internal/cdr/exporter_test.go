package cdr

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/postgres/postgrestest"
)

// newExporter exports a PBX of the test's own into a store.
func newExporter(t *testing.T, cdrs int, s *testStore) Exporter {
	t.Helper()
	return newExporterOf(t, sample.V55, cdrs, s)
}

func newExporterOf(t *testing.T, version sample.Version, cdrs int, s *testStore) Exporter {
	t.Helper()
	url := pbxtest.Database(t, version, postgrestest.Tables)
	pbxtest.Sample(t, url, sample.Options{Extensions: 3, CDRs: cdrs, Days: 10})
	pool := postgrestest.Migrated(t, url)
	db, err := fusionpbx.Probe(t.Context(), pool)
	must(t, err)
	return Exporter{PBX: &pbx.PBX{Pool: pool, FusionPBX: db}, Store: s.Store, Retention: time.Hour}
}

// all asks for every CDR of the sample.
func all() Request {
	now := time.Now().UTC()
	return Request{Format: "CSV", Window: Window{Start: now.AddDate(0, 0, -20), End: now.AddDate(0, 0, 1), DateStart: "a", DateEnd: "b", TimeZone: "Europe/Berlin"}}
}

func TestWriteCommitOpen(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, s *testStore) {
		e := newExporter(t, 300, s)
		id := uuid.NewString()
		var rows int64
		file, err := e.Write(t.Context(), id, 1, all(), 300, Hooks{Progress: func(done, _ int64) { rows = done }})
		must(t, err)
		s.want(id + ".csv.1.part")
		result, err := file.Commit(t.Context())
		must(t, err)
		s.want(id+".csv", id+".csv.manifest.json", id+".csv.sha256")
		if result.TotalRecords != 300 || rows != 300 || result.DateRange != "a to b" || result.TimeZone != "Europe/Berlin" || time.Until(result.ExpiresAt) > time.Hour {
			t.Errorf("got %+v and %d rows", result, rows)
		}
		var m export.Manifest
		data := s.read(id + ".csv.manifest.json")
		must(t, json.Unmarshal(data, &m))
		if m.File != result.File || m.Rows != 300 || m.Bytes != result.Bytes || m.SHA256 != result.SHA256 || len(m.FirstKey) != 2 || m.FirstKey[1] == nil {
			t.Errorf("the manifest is %s", data)
		}
		// A front end on another host reads it.
		front := e
		front.Store = s.elsewhere()
		open, err := front.Open(t.Context(), id, result)
		must(t, err)
		defer open.Close()
		content, err := io.ReadAll(open)
		must(t, err)
		if result.Format != export.CSV || int64(len(content)) != result.Bytes || strings.Count(string(content), "\n") < 301 {
			t.Errorf("%s of %d bytes, want %d", result.Format, len(content), result.Bytes)
		}
		estimate, err := e.EstimateRows(t.Context(), all())
		if err != nil || estimate <= 0 {
			t.Errorf("estimated %d, %v", estimate, err)
		}
		link, err := front.Link(t.Context(), id, result, time.Minute, nil)
		if err != nil || (link != "") != (s.server != nil) {
			t.Errorf("the link is %q, %v", link, err)
		}
		result.ExpiresAt = time.Now().Add(-time.Second)
		if _, err := e.Link(t.Context(), id, result, time.Minute, nil); s.server != nil && !fault.Is(err, fault.Gone) {
			t.Errorf("a link to what is past its time: %v", err)
		}
	})
}

func TestWriteLeavesNothingAfterAnError(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, s *testStore) {
		e := newExporter(t, 300, s)
		stopped, stop := context.WithCancel(t.Context())
		stop()
		for name, tc := range map[string]struct {
			ctx    context.Context
			change func(*Request)
			most   int64
			want   string
		}{
			"too many rows":         {t.Context(), func(*Request) {}, 299, export.ErrTooManyRows.Error()},
			"an unknown format":     {t.Context(), func(r *Request) { r.Format = "XLSX" }, 0, "XLSX"},
			"an unknown zone":       {t.Context(), func(r *Request) { r.TimeZone = "Mars/Olympus" }, 0, "time_zone"},
			"an unknown column":     {t.Context(), func(r *Request) { r.Columns = []string{"pin_number"} }, 0, "pin_number"},
			"what the server minds": {t.Context(), func(r *Request) { r.DomainUUID = "x" }, 0, "invalid input syntax for type uuid"},
			"a context that ended":  {stopped, func(*Request) {}, 0, context.Canceled.Error()},
		} {
			r := all()
			tc.change(&r)
			file, err := e.Write(tc.ctx, uuid.NewString(), 1, r, tc.most, Hooks{})
			if file != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: error %v, want one with %q", name, err, tc.want)
			}
			s.want()
		}
		// A row more comes while the rows are read.
		e.Store = growing{e.Store, func() {
			_, err := e.PBX.Pool.Exec(t.Context(), "insert into v_xml_cdr (xml_cdr_uuid, start_stamp) values (gen_random_uuid(), now())")
			must(t, err)
		}}
		if _, err := e.Write(t.Context(), uuid.NewString(), 1, all(), 300, Hooks{}); !errors.Is(err, export.ErrTooManyRows) {
			t.Errorf("error %v, want ErrTooManyRows", err)
		}
		s.want()
	})
}

// growing is a store in which something happens when a part is made.
type growing struct {
	Store
	happens func()
}

func (g growing) Create(ctx context.Context, name string, attempt int, paused func(bool, string)) (Part, error) {
	g.happens()
	return g.Store.Create(ctx, name, attempt, paused)
}

func TestPrune(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, s *testStore) {
		e := newExporter(t, 1, s)
		old, young := uuid.NewString(), uuid.NewString()
		made := time.Now().Add(-2 * time.Hour)
		keep := []string{young + ".csv", young + ".csv.manifest.json", "notes.txt", markFile}
		for _, name := range append([]string{old + ".csv", old + ".csv.manifest.json", old + ".csv.sha256", old + ".csv.2.part", "." + old + ".csv.manifest.json123"}, keep...) {
			written := time.Now()
			if !strings.HasPrefix(name, young) {
				written = made
			}
			s.write(name, written)
		}
		must(t, e.Store.Prune(t.Context(), time.Now().Add(-e.Retention)))
		s.want(keep...)
		_, err := e.Open(t.Context(), old, Result{File: old + ".csv", Format: "CSV", ExpiresAt: time.Now().Add(time.Hour)})
		if !fault.Is(err, fault.Gone) {
			t.Errorf("opening what was deleted: %v", err)
		}
	})
	must(t, Folder{Dir: filepath.Join(t.TempDir(), "none")}.Prune(t.Context(), time.Now()))
}

// Parts are kept for a day for the next attempt, which is less than files are kept.
func TestPruneOfParts(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, s *testStore) {
		id := uuid.NewString()
		for name, age := range map[string]time.Duration{".csv": 25 * time.Hour, ".csv.1.part": 25 * time.Hour, ".csv.2.part": 23 * time.Hour} {
			s.write(id+name, time.Now().Add(-age))
		}
		must(t, s.Prune(t.Context(), time.Now().AddDate(0, 0, -30)))
		s.want(id+".csv", id+".csv.2.part")
	})
}

func TestMarkTellsWhetherTheStoreIsShared(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, s *testStore) {
		worker := newExporter(t, 1, s)
		front, other := worker, worker
		front.Store = s.elsewhere()
		if err := front.CheckStore(t.Context()); !errors.Is(err, ErrUnmarked) {
			t.Errorf("before any worker: %v", err)
		}
		other.Store = bucketStore(t, nil).Store
		if s.server == nil {
			other.Store = Folder{Dir: filepath.Join(s.spool.Dir, "made")}
		}
		must(t, worker.MarkStore(t.Context()))
		must(t, worker.CheckStore(t.Context()))
		must(t, front.CheckStore(t.Context()))
		if err := other.CheckStore(t.Context()); err == nil || !strings.Contains(err.Error(), "give api and workers the same") {
			t.Errorf("another store: %v", err)
		}
		must(t, other.MarkStore(t.Context()))
		if err := worker.CheckStore(t.Context()); err == nil {
			t.Error("the mark that was left before still counts")
		}
	})
}

// What FusionPBX's page makes of a call is in a file and in a list by the same names and with the same values, in every
// version. The extension of another domain is not told of.
func TestCDRsOfThePage(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			s := folderStore(t, nil)
			e := newExporterOf(t, version, 0, s)
			var domain, other, extension, foreign string
			row := e.PBX.Pool.QueryRow(t.Context(), "select domain_uuid::text, extension_uuid::text from v_extensions order by domain_uuid, extension limit 1")
			must(t, row.Scan(&domain, &extension))
			row = e.PBX.Pool.QueryRow(t.Context(), "select domain_uuid::text, extension_uuid::text from v_extensions order by domain_uuid desc, extension limit 1")
			must(t, row.Scan(&other, &foreign))
			if domain == other {
				t.Fatal("the sample has extensions of one domain alone")
			}
			_, err := e.PBX.Pool.Exec(t.Context(), "update v_extensions set extension = '1001', effective_caller_id_name = 'Ann' where extension_uuid = $1::uuid", extension)
			must(t, err)
			_, err = e.PBX.Pool.Exec(t.Context(), `
				insert into v_xml_cdr (xml_cdr_uuid, domain_uuid, extension_uuid, start_stamp, start_epoch, answer_epoch, billsec, duration, waitsec)
				select made.call::uuid, $1::uuid, made.extension::uuid, '2026-03-01 17:05:09+00', 1772384709, made.answered, 60, 63, 3 from (values
					('00000000-0000-4000-8000-000000000001', $2, 1772384712), ('00000000-0000-4000-8000-000000000002', $3, 0),
					('00000000-0000-4000-8000-000000000003', null, 0)) as made (call, extension, answered)`, domain, extension, foreign)
			must(t, err)
			r := Request{Format: "NDJSON", DomainUUID: domain, Window: Window{DateStart: "2026-03-01", DateEnd: "2026-03-02", TimeZone: "Europe/Paris"}}
			must(t, r.Resolve(t.Context(), e.PBX.FusionPBX))
			for clock24, wantTime := range map[bool]string{false: "06:05 pm", true: "18:05"} {
				r.Clock24 = clock24
				r.Columns, r.Headers = ParseColumns([]string{SetFusionPBX}, false)
				r.Columns, r.Headers = append(slices.Clone(r.Columns), "tta"), append(slices.Clone(r.Headers), "tta")
				file, err := e.Write(t.Context(), uuid.NewString(), 1, r, 0, Hooks{})
				must(t, err)
				result, err := file.Commit(t.Context())
				must(t, err)
				content := s.read(result.File)
				lines := strings.Split(strings.TrimSpace(string(content)), "\n")
				listed := r
				listed.Headers, listed.Columns = nil, slices.Compact(slices.Sorted(slices.Values(r.Columns)))
				var objects []json.RawMessage
				must(t, pgx.BeginFunc(t.Context(), e.PBX.Pool, func(tx pgx.Tx) (err error) {
					objects, err = Look(t.Context(), tx, e.PBX.FusionPBX, listed, "", 10)
					return err
				}))
				if slices.Reverse(objects); len(objects) != 3 || len(lines) != 3 {
					t.Fatalf("got %d objects and %d lines", len(objects), len(lines))
				}
				for i, want := range []map[string]any{
					{"extension": "1001", "extension_name": "Ann", "start_date_formatted": "01 Mar 2026", "start_time_formatted": wantTime, "billsec": 60.0, "duration": 60.0, "wait": 3.0, "tta": 3.0,
						"start_stamp": "2026-03-01T18:05:09+01:00"},
					{"extension": nil, "extension_name": nil, "tta": nil},
					{"extension": nil, "extension_name": nil},
				} {
					var got, looked map[string]any
					must(t, json.Unmarshal([]byte(lines[i]), &got))
					must(t, json.Unmarshal(objects[i], &looked))
					for column, value := range want {
						at := slices.Index(r.Headers, column)
						if got[column] != value || looked[r.Columns[at]] != value {
							t.Errorf("row %d: %s is %v, and %v in a list, want %v", i, column, got[column], looked[r.Columns[at]], value)
						}
					}
				}
			}
		})
	}
}
