package remote

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"trunkline/internal/client"
)

// exports has the API export so: the job is queued, and has ended when it is asked for again.
func (a answers) exports(content, sum string) {
	a["POST "+exportPath] = says(http.StatusAccepted, `{"status":"pending","job_id":"`+testJob+`"}`)
	a["GET /v1/jobs/"+testJob] = says(200, fmt.Sprintf(
		`{"job_id":%q,"kind":"export","state":"succeeded","done":true,"result":{"sha256":%q,"bytes":%d,"total_records":3}}`, testJob, sum, len(content)))
	a["GET /v1/exports/"+testJob+"/file"] = func(w http.ResponseWriter, r *http.Request, _ string) {
		w.Header().Set("ETag", `"`+sum+`"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	}
}

func sumOf(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

// wantFile checks what a file holds, and that nobody else may read it.
func wantFile(t *testing.T, path, content string) {
	t.Helper()
	got, err := os.ReadFile(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if string(got) != content || info.Mode().Perm() != 0o600 {
		t.Errorf("%s holds %d bytes of %d, mode %o", path, len(got), len(content), info.Mode().Perm())
	}
}

func wantNone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); err == nil {
		t.Errorf("there is a %s", path)
	}
}

const rows = "a,b\n1,2\n3,4\n"

func TestExportToAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdr.csv")
	must(t, os.WriteFile(path, []byte("older"), 0o644))
	must(t, os.WriteFile(path+".part", []byte("of another download, and longer than the file"), 0o644))
	sc := &scene{api: answers{}}
	sc.api.exports(rows, sumOf(rows))
	var form url.Values
	post := sc.api["POST "+exportPath]
	sc.api["POST "+exportPath] = func(w http.ResponseWriter, r *http.Request, body string) {
		form, _ = url.ParseQuery(body)
		if r.Header.Get("Idempotency-Key") == "" || r.Header.Get("Prefer") != "wait=0" {
			t.Errorf("asked with %v", r.Header)
		}
		post(w, r, body)
	}
	c := cdrExportCommand{
		DateStart: "2026-01-01", DateEnd: "2026-01-31", TimeZone: "Europe/Berlin", Domain: "a.example", Columns: "start_stamp:Date,billsec",
		Set: []string{"date_format=%Y-%m-%d, %H=%M", "answered=true"}, Output: path,
	}
	sc.run(t, c).wants(t, 0, "3 rows", sumOf(rows), path, "downloading, 0 of 12 bytes")
	wantFile(t, path, rows)
	wantNone(t, path+".part")
	want := url.Values{
		"date_start": {"2026-01-01"}, "date_end": {"2026-01-31"}, "time_zone": {"Europe/Berlin"}, "tenant_domain": {"a.example"}, "format": {"csv"},
		"columns": {"start_stamp:Date,billsec"}, "date_format": {"%Y-%m-%d, %H=%M"}, "answered": {"true"},
	}
	if form.Encode() != want.Encode() {
		t.Errorf("asked for %v", form)
	}
}

func TestExportToStandardOutput(t *testing.T) {
	t.Parallel()
	sc := &scene{api: answers{}}
	sc.api.exports(rows, sumOf(rows))
	if got := sc.run(t, cdrExportCommand{DateStart: "2026-01-01", DateEnd: "2026-01-31", Output: "-"}); got.out != rows || got.status != 0 {
		t.Errorf("got %s", got)
	}
}

func TestExportsThatFail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	locked, err := openPart(filepath.Join(dir, "locked"))
	must(t, err)
	defer locked.leave()
	link := filepath.Join(dir, "link.part")
	must(t, os.Symlink(filepath.Join(dir, "elsewhere"), link))
	cancelled := false
	ended := func(state, why string) func(answers) {
		return func(a answers) {
			a["GET /v1/jobs/"+testJob] = says(200, fmt.Sprintf(`{"job_id":%q,"kind":"export","state":%q,"done":true,"error":{"code":"c","message":%q}}`, testJob, state, why))
		}
	}
	for _, c := range map[string]struct {
		api    func(answers)
		set    []string
		output string
		status int
		says   []string
	}{
		"no value":        {nil, []string{"answered"}, "-", 1, []string{"--set answered", "NAME=VALUE"}},
		"a flag's":        {nil, []string{"date_start=2026-01-02"}, "-", 1, []string{"--set date_start", "once"}},
		"twice":           {nil, []string{"leg=a", "leg=b"}, "-", 1, []string{"--set leg", "once"}},
		"our own":         {nil, []string{"wait=5"}, "-", 1, []string{"--set wait"}},
		"a folder":        {nil, nil, dir, 1, []string{"-o", "no regular file"}},
		"a device":        {nil, nil, "/dev/null", 1, []string{"-o", "no regular file"}},
		"no folder":       {nil, nil, filepath.Join(dir, "none", "x.csv"), 1, []string{"-o", "folder"}},
		"one at work":     {nil, nil, filepath.Join(dir, "locked"), 1, []string{"-o", "another download"}},
		"a link for part": {nil, nil, filepath.Join(dir, "link"), 1, []string{"-o"}},
		"unknown": {func(a answers) {
			a["POST "+exportPath] = says(202, `{"status":"pending","job_id":"`+testJob+`","ignored_parameters":["delimitr"]}`)
			a["GET /v1/jobs/"+testJob] = says(200, `{"job_id":"`+testJob+`","state":"queued"}`)
			a["POST /v1/jobs/"+testJob+"/cancel"] = func(w http.ResponseWriter, r *http.Request, _ string) {
				cancelled = true
				says(200, `{"state":"cancelled","done":true}`)(w, r, "")
			}
		}, []string{"delimitr=tab"}, "-", 1, []string{"--set delimitr", "openapi.json"}},
		"refused": {func(a answers) {
			a["POST "+exportPath] = says(400, `{"status":"error","code":"invalid_request","message":"date_end: is before date_start"}`)
		}, nil, "-", 1, []string{"date_end: is before", "invalid_request"}},
		"failed":    {ended("failed", "no room"), nil, filepath.Join(dir, "failed"), 1, []string{testJob, "no room"}},
		"cancelled": {ended("cancelled", "by somebody"), nil, "-", 4, []string{"by somebody"}},
		"deleted": {func(a answers) {
			a["GET /v1/exports/"+testJob+"/file"] = says(410, `{"code":"gone","detail":"its time was up"}`)
		}, nil, "-", 1, []string{"its time was up"}},
		"not a file": {func(a answers) {
			a["GET /v1/jobs/"+testJob] = says(200, `{"job_id":"`+testJob+`","state":"succeeded","done":true,"result":{}}`)
		}, nil, "-", 1, []string{"no file", "version"}},
		"other bytes": {func(a answers) { a.exports(rows, sumOf("others")) }, nil, filepath.Join(dir, "other"), 1, []string{"SHA-256", "trunkline cdr download " + testJob}},
	} {
		sc := &scene{api: answers{}}
		sc.api.exports(rows, sumOf(rows))
		if c.api != nil {
			c.api(sc.api)
		}
		got := sc.run(t, cdrExportCommand{DateStart: "2026-01-01", DateEnd: "2026-01-31", Set: c.set, Output: c.output})
		got.wants(t, c.status, c.says...)
	}
	if !cancelled {
		t.Error("what was not understood is exported all the same")
	}
	for _, none := range []string{"failed", "failed.part", "other", "elsewhere"} {
		wantNone(t, filepath.Join(dir, none))
	}
}

// A download goes on behind the part that is there; if that is of another file, all of it is downloaded.
func TestDownloadGoesOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		part   string
		ranges []string
	}{
		"from the beginning":     {"", []string{""}},
		"behind its beginning":   {rows[:5], []string{"bytes=5-"}},
		"with nothing missing":   {rows, nil},
		"behind another's":       {"x,y,z", []string{"bytes=5-", ""}},
		"behind all of a longer": {rows + "5,6\n", nil},
	} {
		path := filepath.Join(t.TempDir(), "cdr.csv")
		if c.part != "" {
			must(t, os.WriteFile(path+".part", []byte(c.part), 0o644))
		}
		var ranges []string
		sc := &scene{api: answers{}}
		sc.api.exports(rows, sumOf(rows))
		file := sc.api["GET /v1/exports/"+testJob+"/file"]
		sc.api["GET /v1/exports/"+testJob+"/file"] = func(w http.ResponseWriter, r *http.Request, body string) {
			ranges = append(ranges, r.Header.Get("Range"))
			file(w, r, body)
		}
		sc.run(t, cdrDownloadCommand{Job: testJob, Output: path}).wants(t, 0, "3 rows")
		wantFile(t, path, rows)
		wantNone(t, path+".part")
		if fmt.Sprint(ranges) != fmt.Sprint(c.ranges) {
			t.Errorf("%s: it asked for %q", name, ranges)
		}
	}
	sc := &scene{api: answers{"GET /v1/jobs/" + testJob: says(200, aJob(client.Succeeded, ""))}}
	sc.run(t, cdrDownloadCommand{Job: testJob, Output: "-"}).wants(t, 1, "no export")
	sc.run(t, cdrDownloadCommand{Job: "../tokens", Output: "-"}).wants(t, 1, "jobs list")
}

// Whoever is interrupted keeps what has come, and hears how to get the rest.
func TestDownloadInterrupted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdr.csv")
	ctx, interrupt := context.WithCancel(t.Context())
	sc := &scene{api: answers{}, ctx: ctx}
	sc.api.exports(rows, sumOf(rows))
	sc.api["GET /v1/exports/"+testJob+"/file"] = func(w http.ResponseWriter, r *http.Request, _ string) {
		w.Header().Set("Content-Length", fmt.Sprint(len(rows)))
		fmt.Fprint(w, rows[:5])
		must(t, http.NewResponseController(w).Flush())
		for info, err := os.Stat(path + ".part"); err != nil || info.Size() < 5; info, err = os.Stat(path + ".part") {
			runtime.Gosched()
		}
		interrupt()
		<-r.Context().Done()
	}
	sc.run(t, cdrExportCommand{DateStart: "2026-01-01", DateEnd: "2026-01-31", Output: path}).
		wants(t, 130, "interrupted after 5 of 12 bytes", "trunkline cdr download "+testJob+" -o "+path)
	wantFile(t, path+".part", rows[:5])
	wantNone(t, path)
}

// An export that is interrupted goes on, and whoever asked hears how to get its file.
func TestExportInterrupted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdr.csv")
	ctx, interrupt := context.WithCancel(t.Context())
	sc := &scene{api: answers{}, ctx: ctx}
	sc.api.exports(rows, sumOf(rows))
	sc.api["GET /v1/jobs/"+testJob] = says(200, aJob("running", `,"progress":{"done":1,"total":3,"unit":"rows"}`))
	sc.api["GET /v1/jobs/"+testJob+"/events"] = func(http.ResponseWriter, *http.Request, string) { interrupt() }
	sc.run(t, cdrExportCommand{DateStart: "2026-01-01", DateEnd: "2026-01-31", Output: path}).
		wants(t, 130, "goes on without you", "1 of 3 rows", "trunkline cdr download "+testJob+" -o "+path)
	wantNone(t, path+".part")
}

func TestWhatAFileEndsIn(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a.csv": "csv ", "A.CSV.GZ": "csv gzip", "a.json.zst": "json zstd", "a.parquet": "parquet ", "a.gz": " gzip", "a.txt": " ", "-": " ", "csv.gz": " gzip", "b.d/a.jsonl": "ndjson ",
	} {
		c := cdrExportCommand{Output: name}
		if got := c.format() + " " + c.compression(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	c := cdrExportCommand{Output: "a.csv.gz", Template: "rating", Compress: "none"}
	if c.format() != "" || c.compression() != "none" {
		t.Errorf("what is said does not count: %q, %q", c.format(), c.compression())
	}
}
