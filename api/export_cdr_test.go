package api_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest/sample"
)

const exportPath = "/app/xml_cdr/export_cdr.php"

// newest is when the samples' last call was, so that their dates are known.
var newest = time.Date(2024, 6, 15, 12, 0, 0, 0, time.UTC)

// everything is an export request's form for all of a sample's CDRs, and more in turn.
func everything(more ...string) map[string][]string {
	values := form("date_start", "2024-05-01", "date_end", "2024-06-30")
	for i := 0; i < len(more); i += 2 {
		values.Set(more[i], more[i+1])
	}
	return values
}

func TestExportOnEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, cdrs: 300, now: newest, noWorker: true})
			for _, format := range []string{"JSON", "csv", "ndJson", "Xml"} {
				got := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("format", format)})).want(t, http.StatusOK, "")
				fields := got.decode(t)
				want := map[string]any{"status": "success", "message": "CDR export completed", "total_records": 300.0,
					"date_range": "2024-05-01 to 2024-06-30", "export_format": strings.ToUpper(format)}
				for field, value := range want {
					if fields[field] != value {
						t.Errorf("%s is %v, want %v", field, fields[field], value)
					}
				}
				records, _ := fields["records"].([]any)
				if wantRecords := map[bool]int{true: 300}[format == "JSON"]; len(records) != wantRecords {
					t.Errorf("%s: %d records in the answer", format, len(records))
				}
				file := b.follow(t, fields["download_url"].(string))
				sum := sha256.Sum256([]byte(file.body))
				if fields["sha256"] != hex.EncodeToString(sum[:]) || fields["bytes"] != float64(len(file.body)) {
					t.Errorf("%s: the file is not the one that the answer tells of", format)
				}
				if rows := countRows(t, strings.ToUpper(format), file.body); rows != 300 {
					t.Errorf("%s: %d rows in the file", format, rows)
				}
				job := b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + fields["job_id"].(string)})).want(t, http.StatusOK, "").decode(t)
				if job["state"] != "succeeded" || job["kind"] != "export" || job["result"].(map[string]any)["sha256"] != fields["sha256"] {
					t.Errorf("got job %v", job)
				}
			}
		})
	}
}

// follow gets a download link without credentials.
func (b *bundle) follow(t *testing.T, link string) answer {
	t.Helper()
	path, ours := strings.CutPrefix(link, b.options.Settings.PublicURL)
	if !ours {
		t.Fatalf("%s does not begin with TRUNKLINE_PUBLIC_URL", link)
	}
	return b.do(t, call{path: path}).want(t, http.StatusOK, "")
}

func countRows(t *testing.T, format, content string) int {
	t.Helper()
	switch format {
	case "JSON":
		var rows []map[string]any
		must(t, json.Unmarshal([]byte(content), &rows))
		return len(rows)
	case "NDJSON":
		rows := 0
		for line := range strings.Lines(content) {
			must(t, json.Unmarshal([]byte(line), new(map[string]any)))
			rows++
		}
		return rows
	case "CSV":
		rows, err := csv.NewReader(strings.NewReader(content)).ReadAll()
		must(t, err)
		return len(rows) - 1
	}
	rows := 0
	for decoder := xml.NewDecoder(strings.NewReader(content)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return rows
		}
		must(t, err)
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "cdr" {
			rows++
		}
	}
}

func TestExportLargeIsAJob(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 2000, now: newest})
	got := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("format", "CSV")})).want(t, http.StatusOK, "")
	if got.text(t, "total_records") != "2000" || countRows(t, "CSV", b.follow(t, got.text(t, "download_url")).body) != 2000 {
		t.Errorf("got %s", got.body)
	}
	large := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything()})).want(t, http.StatusOK, "").decode(t)
	if large["records"] != nil || large["download_url"] == nil {
		t.Errorf("the records of a large export are in its answer")
	}
	pending := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("format", "XML", "wait", "0")})).want(t, http.StatusAccepted, "")
	if pending.text(t, "status") != "pending" || pending.header.Get("Location") != "/v1/jobs/"+pending.text(t, "job_id") {
		t.Errorf("got %s", pending.body)
	}
	job := b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + pending.text(t, "job_id") + "?wait=20"})).want(t, http.StatusOK, "").decode(t)
	result, _ := job["result"].(map[string]any)
	if job["done"] != true || countRows(t, "XML", b.follow(t, result["download_url"].(string)).body) != 2000 {
		t.Errorf("got %v", job)
	}
}

func TestExportWindowAndTenants(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 400, now: newest, noWorker: true})
	total := func(c call) int {
		t.Helper()
		c.path = exportPath
		n, err := strconv.Atoi(b.do(t, c).want(t, http.StatusOK, "").text(t, "total_records"))
		must(t, err)
		return n
	}
	own, other := b.sample.Domains[1], b.sample.Domains[0]
	if got := total(b.asAdmin(call{form: everything()})); got != int(own.CDRs) || got == 0 {
		t.Errorf("the admin got %d, want its %d", got, own.CDRs)
	}
	if got := total(b.asSuperadmin(call{form: everything("tenant_domain", other.Name)})); got != int(other.CDRs) {
		t.Errorf("one domain: got %d, want %d", got, other.CDRs)
	}
	if got := total(b.asSuperadmin(call{form: everything()})); got != 400 {
		t.Errorf("all domains: got %d", got)
	}
	// A day is the domain's own: the admin's is New York's, the superadmin's default is UTC.
	day := "2024-06-12"
	for zone, c := range map[string]call{
		"America/New_York": b.asAdmin(call{form: form("date_start", day, "date_end", day)}),
		"UTC":              b.asAdmin(call{form: form("date_start", day, "date_end", day, "time_zone", "UTC")}),
		"Asia/Tokyo":       b.asAdmin(call{form: form("date_start", day, "date_end", day, "time_zone", "Asia/Tokyo")}),
	} {
		want := b.count(t, `select count(*) from v_xml_cdr where domain_uuid = $1 and (start_stamp at time zone $2)::date = $3::text::date`, own.UUID, zone, day)
		if got := total(c); got != want {
			t.Errorf("%s: got %d, want %d", zone, got, want)
		}
	}
	// The second that a date-time names is in.
	var first, last time.Time
	must(t, b.pool.QueryRow(t.Context(), "select min(start_stamp), max(start_stamp) from v_xml_cdr").Scan(&first, &last))
	if got := total(b.asSuperadmin(call{form: form("date_start", first.UTC().Format(time.DateTime), "date_end", last.Format(time.RFC3339))})); got != 400 {
		t.Errorf("from the first to the last: got %d", got)
	}
	if got := b.do(t, b.asSuperadmin(call{path: exportPath, form: form("date_start", "2030-01-01", "date_end", "2030-01-02")})).want(t, http.StatusOK, ""); !strings.Contains(got.body, `"total_records":0`) || !strings.Contains(got.body, `"records":[]`) {
		t.Errorf("an empty export: got %s", got.body)
	}
}

func TestExportTheFileItself(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 100, now: newest, noWorker: true})
	for accept, format := range map[string]string{"text/csv": "CSV", "application/xml": "XML", "application/octet-stream": "JSON"} {
		c := withHeader(b.asSuperadmin(call{path: exportPath + "?date_start=2024-05-01&date_end=2024-06-30"}), "Accept", accept)
		got := b.do(t, c).want(t, http.StatusOK, "")
		if rows := countRows(t, format, got.body); rows != 100 {
			t.Errorf("%s: %d rows", accept, rows)
		}
		if d := got.header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment; filename=\"cdr-") || !strings.HasSuffix(d, strings.ToLower(format)+`"`) {
			t.Errorf("%s: Content-Disposition is %s", accept, d)
		}
	}
	columns := b.do(t, withHeader(b.asSuperadmin(call{path: exportPath, form: everything("columns", " Direction, billsec ")}), "Accept", "text/csv"))
	if header, _, _ := strings.Cut(columns.body, "\n"); header != "direction,billsec" {
		t.Errorf("got the header %q", header)
	}
}

func TestExportErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10, now: newest, noWorker: true})
	super := func(more ...string) call { return b.asSuperadmin(call{path: exportPath, form: everything(more...)}) }
	for name, c := range map[string]struct {
		call   call
		status int
		code   string
		says   []string
	}{
		"no dates":          {b.asSuperadmin(call{path: exportPath, method: http.MethodPost}), 400, "missing_parameters", []string{"date_start", "date_end"}},
		"no end":            {super("date_end", ""), 400, "missing_parameters", []string{"date_end"}},
		"no date":           {super("date_start", "last week"), 400, "invalid_request", []string{"date_start"}},
		"no end date":       {super("date_end", "2024-02-30"), 400, "invalid_request", []string{"date_end"}},
		"start after end":   {super("date_start", "2024-07-01"), 400, "invalid_request", []string{"date_end", "date_start"}},
		"format":            {super("format", "PDF"), 400, "invalid_request", []string{"format", "JSON, NDJSON, CSV, XML or PARQUET"}},
		"format and Accept": {withHeader(super("format", "JSON"), "Accept", "text/csv"), 400, "invalid_request", []string{"format", "Accept"}},
		"time zone":         {super("time_zone", "Mars/Olympus"), 400, "invalid_request", []string{"time_zone", "Mars/Olympus"}},
		"column":            {super("columns", "start_stamp,xml"), 400, "invalid_request", []string{"columns", "xml"}},
		"injected column":   {super("columns", "1; drop table v_xml_cdr"), 400, "invalid_request", []string{"columns"}},
		"column twice":      {super("columns", "billsec,billsec"), 400, "invalid_request", []string{"columns", "billsec"}},
		"global":            {super("tenant_domain", "global"), 400, "invalid_request", []string{"tenant_domain"}},
		"unknown tenant":    {super("tenant_domain", "nobody.example"), 404, "not_found", []string{"tenant_domain"}},
		"wait":              {super("wait", "-1"), 400, "invalid_request", []string{"wait"}},
		"other tenant":      {b.asAdmin(call{path: exportPath, form: everything("tenant_domain", b.sample.Domains[0].Name)}), 403, "forbidden", []string{"tenant_domain"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantForm(t, b.do(t, c.call).want(t, c.status, c.code).says(t, c.says...), exportPath)
		})
	}
}

func TestExportDomainWithAnUnknownTimeZone(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10, now: newest, noWorker: true})
	b.exec(t, "update v_domain_settings set domain_setting_value = 'Nowhere/Land' where domain_setting_subcategory = 'time_zone'")
	b.do(t, b.asAdmin(call{path: exportPath, form: everything()})).want(t, http.StatusBadRequest, "invalid_request").says(t, "Nowhere/Land", "time_zone")
	b.do(t, b.asAdmin(call{path: exportPath, form: everything("time_zone", "UTC")})).want(t, http.StatusOK, "")
}

func TestExportWithoutSpace(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 600, now: newest, minFree: 1 << 60})
	for name, more := range map[string][]string{"small": {"date_start", "2024-06-15"}, "large": nil} {
		got := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything(more...)})).want(t, http.StatusInsufficientStorage, "insufficient_storage")
		if name == "large" && got.text(t, "job_id") == "" {
			t.Errorf("no job in %s", got.body)
		}
	}
	left, err := filepath.Glob(filepath.Join(b.exports, "*"))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestExportKeys(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 100, now: newest})
	keyed := func(more ...string) call {
		return withHeader(b.asSuperadmin(call{path: exportPath, form: everything(more...)}), "Idempotency-Key", "bill-2024-06")
	}
	first := b.do(t, keyed()).want(t, http.StatusOK, "")
	again := b.do(t, keyed()).want(t, http.StatusOK, "")
	if first.text(t, "job_id") != again.text(t, "job_id") || len(first.decode(t)["records"].([]any)) != 100 {
		t.Errorf("got %.200s and %.200s", first.body, again.body)
	}
	for name, more := range map[string][]string{
		"the format": {"format", "CSV"}, "the layout": {"date_format", "epoch"}, "the guard": {"guard", "raw"}, "the packing": {"compression", "gzip"},
		"a filter": {"direction", "inbound"}, "the columns' names": {"columns", "leg:Leg"},
	} {
		if got := b.do(t, keyed(more...)); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "key_reused") {
			t.Errorf("%s is another one: got %d %.200s", name, got.status, got.body)
		}
	}
	if n := b.count(t, "select count(*) from trunkline.jobs"); n != 1 {
		t.Errorf("there are %d jobs", n)
	}
	// The result stays when the file's time is up; only the file is gone.
	files, err := filepath.Glob(filepath.Join(b.exports, first.text(t, "job_id")+".*"))
	must(t, err)
	for _, file := range files {
		must(t, os.Remove(file))
	}
	if gone := b.do(t, keyed()).want(t, http.StatusOK, "").decode(t); gone["total_records"] != 100.0 || gone["records"] != nil {
		t.Errorf("got %v", gone)
	}
	b.do(t, withHeader(keyed("format", "JSON"), "Accept", "application/octet-stream")).want(t, http.StatusGone, "gone")
}

// A file is packed as it is asked for, and unpacks to the one that is not; an answer is packed on its way as Accept-Encoding
// has it, as one member. A range is of a file that somebody has seen: of a new one all is sent.
func TestExportPacked(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 100, now: newest, noWorker: true})
	asFile := func(headers map[string]string, more ...string) answer {
		c := b.asSuperadmin(call{path: exportPath, form: everything(append([]string{"format", "CSV"}, more...)...)})
		for name, value := range headers {
			c = withHeader(c, name, value)
		}
		return b.do(t, withHeader(c, "Accept", "application/octet-stream"))
	}
	plain := asFile(map[string]string{"Accept-Encoding": "identity"}).want(t, http.StatusOK, "")
	if plain.header.Get("Content-Encoding") != "" || !strings.Contains(plain.header.Get("Vary"), "Accept-Encoding") {
		t.Errorf("got %v", plain.header)
	}
	for name, got := range map[string]answer{
		"the file": asFile(map[string]string{"Accept-Encoding": "gzip"}, "compression", "gzip").want(t, http.StatusOK, ""),
		"the way":  asFile(map[string]string{"Accept-Encoding": "zstd;q=0.5, gzip"}).want(t, http.StatusOK, ""),
	} {
		packed, err := gzip.NewReader(strings.NewReader(got.body))
		must(t, err)
		packed.Multistream(name == "the file")
		content, err := io.ReadAll(packed)
		if err != nil || string(content) != plain.body {
			t.Errorf("%s: %d bytes of %d, %v", name, len(content), len(plain.body), err)
		}
		if onTheWay := got.header.Get("Content-Encoding") == "gzip"; onTheWay != (name == "the way") || (got.header.Get("ETag") == "") != onTheWay {
			t.Errorf("%s: got %v", name, got.header)
		}
	}
	for name, value := range map[string]string{"Range": "bytes=0-9", "If-None-Match": "*", "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"} {
		if got := asFile(map[string]string{"Accept-Encoding": "identity", name: value}).want(t, http.StatusOK, ""); got.body != plain.body {
			t.Errorf("%s: %d bytes of %d", name, len(got.body), len(plain.body))
		}
	}
	asFile(nil, "compression", "rar").want(t, http.StatusBadRequest, "invalid_request").says(t, "compression")
}

func TestExportRecordsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 100, now: newest, settings: func(s *config.Settings) { s.SyncExportRows = 100 }})
	if got := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything()})).want(t, http.StatusOK, "").decode(t); len(got["records"].([]any)) != 100 {
		t.Error("exactly as many rows as are small are not in the answer")
	}
	b.exec(t, "insert into v_xml_cdr (xml_cdr_uuid, start_stamp) values (gen_random_uuid(), '2024-06-01')")
	if got := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything()})).want(t, http.StatusOK, "").decode(t); got["records"] != nil || got["total_records"] != 101.0 {
		t.Error("one row more is in the answer")
	}
}

// Without rows to be answered at once every export is a job.
func TestExportNothingAtOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10, now: newest, noWorker: true, settings: func(s *config.Settings) { s.SyncExportRows = 0 }})
	b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("wait", "0")})).want(t, http.StatusAccepted, "")
}

// An export may be of so many whole days, the longer one when the clock is put back among them.
func TestExportDays(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10, now: newest, noWorker: true, settings: func(s *config.Settings) { s.ExportDays = 31 }})
	of := func(start, end string) answer {
		return b.do(t, b.asSuperadmin(call{path: exportPath, form: form("date_start", start, "date_end", end, "time_zone", "Europe/Berlin")}))
	}
	of("2024-10-01", "2024-10-31").want(t, http.StatusOK, "")
	of("2024-10-01", "2024-11-01").want(t, http.StatusBadRequest, "invalid_request").says(t, "date_end")
	of("1970-01-01", "9999-12-31").want(t, http.StatusBadRequest, "invalid_request").says(t, "31 days")
}

// Filters narrow an export down, count as part of what is asked for, and are refused if they mean nothing.
func TestExportFilters(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 300, now: newest, noWorker: true})
	total := func(more ...string) float64 {
		t.Helper()
		return b.do(t, b.asSuperadmin(call{path: exportPath, form: everything(more...)})).want(t, http.StatusOK, "").decode(t)["total_records"].(float64)
	}
	for condition, more := range map[string][]string{
		"direction = 'inbound'":                           {"direction", "Inbound"},
		"direction in ('inbound', 'local') and leg = 'a'": {"direction", "inbound,local", "leg", "a"},
		"answer_epoch > 0 and billsec >= 30":              {"answered", "true", "min_billsec", "30"},
		"hangup_cause in ('NO_ANSWER', 'USER_BUSY')":      {"hangup_cause", "no_answer, USER_BUSY"},
		"caller_id_number like '1%'":                      {"caller_prefix", "1"},
		"hangup_cause <> 'LOSE_RACE' and leg <> 'b'":      {"view", "fusionpbx"},
		"true": {"view", "all"},
		"destination_number like '%''; drop table v_users--'": {"destination_prefix", "'; drop table v_users--"},
	} {
		want := float64(b.count(t, "select count(*) from v_xml_cdr where "+condition))
		if got := total(more...); got != want {
			t.Errorf("%v: got %v rows, want %v", more, got, want)
		}
	}
	for field, value := range map[string]string{"view": "mine", "direction": "up", "leg": "c", "answered": "maybe", "min_billsec": "-1", "gateway": "carrier"} {
		b.do(t, b.asSuperadmin(call{path: exportPath, form: everything(field, value)})).want(t, http.StatusBadRequest, "invalid_request").says(t, field)
	}
	keyed := func(more ...string) call {
		return withHeader(b.asSuperadmin(call{path: exportPath, form: everything(more...)}), "Idempotency-Key", "filtered")
	}
	b.do(t, keyed("leg", "a", "wait", "0")).want(t, http.StatusAccepted, "")
	b.do(t, keyed("leg", "a", "wait", "0")).want(t, http.StatusAccepted, "")
	b.do(t, keyed("wait", "0")).want(t, http.StatusUnprocessableEntity, "key_reused")
}

// Columns go into the file in the order and under the names that were asked for, in every format.
func TestExportColumnsHaveOtherNames(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 20, now: newest, noWorker: true})
	file := func(format string, more ...string) string {
		t.Helper()
		got := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything(append([]string{"format", format}, more...)...)})).want(t, http.StatusOK, "")
		return b.follow(t, got.text(t, "download_url")).body
	}
	const renamed = "billsec:Seconds,start_stamp:Date,leg"
	first, _, _ := strings.Cut(file("CSV", "columns", renamed), "\n")
	if first != "Seconds,Date,leg" {
		t.Errorf("the header is %q", first)
	}
	for format, want := range map[string]string{"NDJSON": `{"Seconds":`, "JSON": `{"Seconds":`, "XML": "<cdr><Seconds>"} {
		if got := file(format, "columns", renamed); !strings.Contains(got, want) {
			t.Errorf("%s: got %.200s", format, got)
		}
	}
	if first, _, _ := strings.Cut(file("CSV", "columns", "leg:=1+1"), "\n"); first != "'=1+1" {
		t.Errorf("the header is %q", first)
	}
	if first, _, _ := strings.Cut(file("CSV", "columns", "billing"), "\n"); !strings.HasPrefix(first, "xml_cdr_uuid,domain_name,") {
		t.Errorf("the header is %q", first)
	}
	for format, columns := range map[string]string{"CSV": "leg:A,billsec:A", "XML": "leg:a b", "JSON": "leg:"} {
		b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("format", format, "columns", columns)})).want(t, http.StatusBadRequest, "invalid_request").says(t, "columns")
	}
}
