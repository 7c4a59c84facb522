package cdr

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/postgres/postgrestest"
)

// newExporter exports a PBX of the test's own into a folder.
func newExporter(t *testing.T, cdrs int) (e Exporter, dir string) {
	t.Helper()
	url := pbxtest.Database(t, sample.V55, postgrestest.Tables)
	pbxtest.Sample(t, url, sample.Options{Extensions: 3, CDRs: cdrs, Days: 10})
	pool := postgrestest.Migrated(t, url)
	db, err := fusionpbx.Probe(t.Context(), pool)
	must(t, err)
	dir = t.TempDir()
	return Exporter{PBX: &pbx.PBX{Pool: pool, FusionPBX: db}, Store: Folder{Dir: dir}, Retention: time.Hour}, dir
}

// all asks for every CDR of the sample.
func all() Request {
	now := time.Now().UTC()
	return Request{Format: "CSV", Window: Window{Start: now.AddDate(0, 0, -20), End: now.AddDate(0, 0, 1), DateStart: "a", DateEnd: "b", TimeZone: "Europe/Berlin"}}
}

func TestWriteCommitOpen(t *testing.T) {
	t.Parallel()
	e, dir := newExporter(t, 300)
	id := uuid.NewString()
	var rows int64
	file, err := e.Write(t.Context(), id, 1, all(), 300, Hooks{Progress: func(done, _ int64) { rows = done }})
	must(t, err)
	wantFiles(t, dir, id+".csv.1.part")
	result, err := file.Commit(t.Context())
	must(t, err)
	wantFiles(t, dir, id+".csv", id+".csv.manifest.json", id+".csv.sha256")
	if result.TotalRecords != 300 || rows != 300 || result.DateRange != "a to b" || result.TimeZone != "Europe/Berlin" || time.Until(result.ExpiresAt) > time.Hour {
		t.Errorf("got %+v and %d rows", result, rows)
	}
	var m export.Manifest
	data, err := os.ReadFile(filepath.Join(dir, id+".csv.manifest.json"))
	must(t, err)
	must(t, json.Unmarshal(data, &m))
	if m.File != result.File || m.Rows != 300 || m.Bytes != result.Bytes || m.SHA256 != result.SHA256 || len(m.FirstKey) != 2 || m.FirstKey[1] == nil {
		t.Errorf("the manifest is %s", data)
	}
	open, err := e.Open(t.Context(), id, result)
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
}

func TestWriteLeavesNothingAfterAnError(t *testing.T) {
	t.Parallel()
	e, dir := newExporter(t, 300)
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
		wantFiles(t, dir)
	}
	// A row more comes while the rows are read.
	e.Store = growing{e.Store, func() {
		_, err := e.PBX.Pool.Exec(t.Context(), "insert into v_xml_cdr (xml_cdr_uuid, start_stamp) values (gen_random_uuid(), now())")
		must(t, err)
	}}
	if _, err := e.Write(t.Context(), uuid.NewString(), 1, all(), 300, Hooks{}); !errors.Is(err, export.ErrTooManyRows) {
		t.Errorf("error %v, want ErrTooManyRows", err)
	}
	wantFiles(t, dir)
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
	e, dir := newExporter(t, 1)
	old, young := uuid.NewString(), uuid.NewString()
	made := time.Now().Add(-2 * time.Hour)
	keep := []string{young + ".csv", young + ".csv.manifest.json", "notes.txt", markFile}
	for _, name := range append([]string{old + ".csv", old + ".csv.manifest.json", old + ".csv.sha256", old + ".csv.2.part", "." + old + ".csv.manifest.json123"}, keep...) {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, nil, 0o600))
		if !strings.HasPrefix(name, young) {
			must(t, os.Chtimes(path, made, made))
		}
	}
	must(t, e.Store.Prune(t.Context(), time.Now().Add(-e.Retention)))
	wantFiles(t, dir, keep...)
	must(t, Folder{Dir: filepath.Join(dir, "none")}.Prune(t.Context(), time.Now()))
	_, err := e.Open(t.Context(), old, Result{File: old + ".csv", Format: "CSV", ExpiresAt: time.Now().Add(time.Hour)})
	if !fault.Is(err, fault.Gone) {
		t.Errorf("opening what was deleted: %v", err)
	}
}

func TestMarkTellsWhetherTheStoreIsShared(t *testing.T) {
	t.Parallel()
	worker, dir := newExporter(t, 1)
	front := worker
	if err := front.CheckStore(t.Context()); !errors.Is(err, ErrUnmarked) {
		t.Errorf("before any worker: %v", err)
	}
	worker.Store = Folder{Dir: filepath.Join(dir, "made")}
	must(t, worker.MarkStore(t.Context()))
	must(t, worker.CheckStore(t.Context()))
	if err := front.CheckStore(t.Context()); err == nil || !strings.Contains(err.Error(), "give api and workers the same folder") {
		t.Errorf("another folder: %v", err)
	}
	must(t, front.MarkStore(t.Context()))
	if err := worker.CheckStore(t.Context()); err == nil {
		t.Error("the mark that was left before still counts")
	}
}
