package api_test

import (
	"encoding/csv"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"trunkline/internal/cdr"
)

// exportCSV is the file of an export as rows of cells.
func (b *bundle) exportCSV(t *testing.T, delimiter rune, pairs ...string) [][]string {
	t.Helper()
	query := form(append(pairs, "date_start", "2024-05-01", "date_end", "2024-06-30", "time_zone", "UTC")...).Encode()
	got := b.do(t, withHeader(b.asSuperadmin(call{path: exportPath + "?" + query}), "Accept", "application/octet-stream")).want(t, http.StatusOK, "")
	r := csv.NewReader(strings.NewReader(got.body))
	r.Comma = delimiter
	rows, err := r.ReadAll()
	must(t, err)
	return rows
}

func TestExportByTemplate(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 30, now: newest, noWorker: true})
	page := b.exportCSV(t, ',', "template", "FusionPBX")
	if len(page) != 31 || len(page[0]) != 35 || page[0][4] != "start_stamp" || !strings.HasSuffix(page[1][4], "+00") {
		t.Errorf("fusionpbx: %d rows, %q, %q", len(page), page[0], page[1])
	}
	cgrates := b.exportCSV(t, ';', "template", "cgrates")
	if len(cgrates) != 30 || len(cgrates[0]) != 11 || !strings.HasSuffix(cgrates[0][6], "Z") {
		t.Errorf("cgrates: %d rows, %q", len(cgrates), cgrates[0])
	}
	rating := b.exportCSV(t, ',', "template", "rating")
	if len(rating) != 31 || rating[0][0] != "call_id" || rating[0][7] != "seconds" || len(rating[1][6]) != len("2024-06-01 12:00:00") {
		t.Errorf("rating: %d rows, %q, %q", len(rating), rating[0], rating[1])
	}
	// What is asked for besides goes before the template's.
	minutes := b.exportCSV(t, '|', "template", "rating", "columns", "billsec:Minutes,billsec:Seconds", "durations", "minutes_up", "delimiter", "pipe", "header", "false", "quoting", "all", "line_end", "crlf")
	if len(minutes) != 30 {
		t.Errorf("%d rows", len(minutes))
	}
	for _, row := range minutes {
		if _, err := strconv.Atoi(row[0]); err != nil || row[0] != row[1] {
			t.Errorf("got %q", row)
		}
	}
	if epoch := b.exportCSV(t, ',', "format", "CSV", "columns", "start_stamp,start_epoch", "date_format", "epoch"); epoch[1][0] != epoch[1][1] {
		t.Errorf("got %q", epoch[1])
	}
}

// A program gets texts as they are, people whatever does no harm.
func TestExportGuard(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 1, now: newest, noWorker: true})
	b.exec(t, "update v_xml_cdr set caller_id_name = '=1+1'")
	for guard, want := range map[string]string{"": "'=1+1", "safe": "'=1+1", "raw": "=1+1"} {
		if rows := b.exportCSV(t, ',', "format", "CSV", "columns", "caller_id_name", "guard", guard); rows[1][0] != want {
			t.Errorf("%q: got %q", guard, rows)
		}
	}
	if rows := b.exportCSV(t, ',', "template", "rating", "columns", "caller_id_name"); rows[1][0] != "=1+1" {
		t.Errorf("got %q", rows)
	}
}

func TestExportLayoutRefuses(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 1, now: newest, noWorker: true})
	for says, query := range map[string][]string{
		"template": {"template", "excel"}, "format": {"template", "cgrates", "format", "JSON"}, "delimiter": {"format", "CSV", "delimiter", ":"},
		"quoting": {"quoting", "all"}, "header": {"format", "XML", "header", "false"}, "line_end": {"format", "CSV", "line_end", "cr"},
		"date_format": {"date_format", "%Q"}, "durations": {"durations", "hours"}, "guard": {"guard", "off"},
	} {
		b.do(t, b.asSuperadmin(call{path: exportPath + "?" + form(append(query, "date_start", "2024-05-01", "date_end", "2024-06-30")...).Encode()})).
			want(t, http.StatusBadRequest, "").says(t, says)
	}
}

// The pages have every template with a sample.
func TestTemplatesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/exports.md")
	must(t, err)
	for _, template := range cdr.Templates() {
		if !strings.Contains(string(page), "`template="+template.Name+"`") {
			t.Errorf("docs/exports.md does not tell of %s", template.Name)
		}
	}
}
