package remote

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const testFile = "name;host;secret;result_state\r\n" +
	"one;sip.one.example;p;\r\n" +
	"\"two; quoted\";sip.two.example;\"'=secret\";failed\r\n" +
	"three;sip.three.example;p3;\r\n"

// importing is an import of testFile, in a folder of its own.
func importing(t *testing.T, c gatewayImportCommand) gatewayImportCommand {
	t.Helper()
	c.File = filepath.Join(t.TempDir(), "gateways.csv")
	must(t, os.WriteFile(c.File, []byte(testFile), 0o600))
	if c.Mode == "" {
		c.Mode = "all"
	}
	c.Output = "table"
	return c
}

const dryItems = `[{"number":1,"line":2,"state":"succeeded","action":"add","gateway_name":"one","tenant_domain":"a.example"},
	{"number":2,"line":3,"state":"succeeded","action":"change","gateway_name":"two\u001b[2J","changes":[{"field":"proxy","from":"x","to":"y"},{"field":"password","changed":true},{"field":"realm","to":"r"}]},
	{"number":3,"line":4,"state":"succeeded","action":"unchanged","gateway_name":"three"}]`

// bulkAPI answers for an import: the dry run with these items, what is written with those.
func bulkAPI(t *testing.T, dry, state, more, items string) (a answers, wrote *int) {
	a, wrote = answers{}, new(int)
	a["POST /v1/gateways/bulk"] = func(w http.ResponseWriter, r *http.Request, body string) {
		if body != testFile || r.Header.Get("Content-Type") != "text/csv" || r.Header.Get("Prefer") != "wait=0" || r.Header.Get("Idempotency-Key") == "" {
			t.Errorf("sent %v %q", r.Header, body)
		}
		if r.FormValue("dry_run") == "true" {
			a.ends("succeeded", "", dry)
		} else {
			*wrote++
			a.ends(state, more, items)
		}
		says(202, `{"status":"pending","job_id":"`+testJob+`","state":"queued"}`)(w, r, "")
	}
	return a, wrote
}

// The difference is shown before anything is written, and without a yes nothing is.
func TestImportAsks(t *testing.T) {
	t.Parallel()
	for answer, wants := range map[string]int{"y": 1, "n": 0} {
		api, wrote := bulkAPI(t, dryItems, "succeeded", `,"result":{"counts":{"total":3,"created":1,"updated":1,"unchanged":1}}`, dryItems)
		sc := &scene{api: api, answer: &answer}
		got := sc.run(t, importing(t, gatewayImportCommand{}))
		got.wants(t, 1-wants, `two\u001b[2J`, "proxy: x -> y", "password (changed)", `realm: "" -> r`, "3 in all, 1 add, 1 change, 1 unchanged")
		if *wrote != wants || len(sc.asked) != 1 || sc.asked[0] != "Import 2 of 3 gateways?" || strings.Contains(got.err, "three") {
			t.Errorf("answer %s: written %d times, asked %q: %s", answer, *wrote, sc.asked, got)
		}
		if answer == "y" {
			got.wants(t, 0, "succeeded: 3 in all, 1 created, 1 unchanged, 1 updated")
		}
	}
}

func TestImportWithoutAsking(t *testing.T) {
	t.Parallel()
	yes := "y"
	nothing := `[{"number":1,"line":2,"state":"succeeded","action":"unchanged","gateway_name":"one"}]`
	clash := `[{"number":1,"line":2,"state":"failed","action":"conflict","gateway_name":"one","error":{"code":"conflict","field":"gateway_name","message":"two of that name"}},
		{"number":2,"line":3,"state":"succeeded","action":"add","gateway_name":"two"}]`
	for name, tc := range map[string]struct {
		command gatewayImportCommand
		dry     string
		answer  *string
		status  int
		wrote   int
		says    []string
	}{
		"a dry run":                  {gatewayImportCommand{Agreement: Agreement{DryRun: true}}, dryItems, nil, 0, 0, []string{"proxy: x -> y", "1 unchanged"}},
		"a dry run as JSON":          {gatewayImportCommand{Agreement: Agreement{DryRun: true}, Format: Format{Output: "json"}}, dryItems, nil, 0, 0, nil},
		"agreed to":                  {gatewayImportCommand{Agreement: Agreement{Yes: true}}, dryItems, nil, 0, 1, []string{"succeeded"}},
		"nobody there":               {gatewayImportCommand{}, dryItems, nil, 1, 0, []string{"--yes", "--dry-run"}},
		"both":                       {gatewayImportCommand{Agreement: Agreement{Yes: true, DryRun: true}}, dryItems, nil, 1, 0, []string{"one of them"}},
		"nothing to do":              {gatewayImportCommand{}, nothing, &yes, 0, 0, []string{"1 unchanged"}},
		"a conflict, all or none":    {gatewayImportCommand{}, clash, &yes, 1, 0, []string{"gateway_name: two of that name (conflict)"}},
		"a conflict, each by itself": {gatewayImportCommand{Mode: "each"}, clash, &yes, 0, 1, []string{"two of that name"}},
	} {
		api, wrote := bulkAPI(t, tc.dry, "succeeded", "", dryItems)
		sc := &scene{api: api, answer: tc.answer}
		got := sc.run(t, importing(t, tc.command))
		if got.wants(t, tc.status, tc.says...); *wrote != tc.wrote {
			t.Errorf("%s: written %d times", name, *wrote)
		}
	}
}

// What is not in effect in the end is in a file of one's own, as it came and with why, and that file can be imported.
func TestImportKeepsWhatFailed(t *testing.T) {
	t.Parallel()
	const failed = `[{"number":1,"line":2,"state":"succeeded","action":"created","gateway_name":"one"},
		{"number":2,"line":3,"state":"failed","gateway_uuid":"u","gateway_name":"two","error":{"code":"gateway_not_loaded","message":"it is not loaded,\nsays the switch"}},
		{"number":3,"line":4,"state":"skipped","gateway_name":"three"}]`
	api, _ := bulkAPI(t, dryItems, "partial", `,"counts":{"total":3,"succeeded":1,"failed":1,"skipped":1}`, failed)
	c := importing(t, gatewayImportCommand{Agreement: Agreement{Yes: true}, Mode: "each"})
	sc := &scene{api: api}
	path := filepath.Join(filepath.Dir(c.File), "gateways.failed.csv")
	sc.run(t, c).wants(t, statusPartial, "done in part: 1 of 3 failed", "gateway_not_loaded", path, "2 rows")
	text, err := os.ReadFile(path)
	must(t, err)
	const want = "name;host;secret;result_state;result_action;result_gateway_uuid;result_code;result_error\n" +
		"\"two; quoted\";sip.two.example;=secret;failed;;u;gateway_not_loaded;\"it is not loaded,\nsays the switch\"\n" +
		"three;sip.three.example;p3;skipped;;;;\n"
	if string(text) != want {
		t.Errorf("got %q\nwant %q", text, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	must(t, writeFailures(path, text, map[int]item{2: {State: "failed"}}))
	if again, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(again), "result_error\nthree;sip.three.example;p3;failed;;;;\n") {
		t.Errorf("from that file: %q, %v", again, err)
	}
}

// What begins with a ' is read as it was, also where the server takes off what guards against formulas.
func TestFailuresKeepAQuote(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "failed.csv")
	must(t, writeFailures(path, []byte("name,secret\none,'=p\n"), map[int]item{1: {State: "failed"}}))
	for range 2 {
		text, err := os.ReadFile(path)
		if err != nil || !strings.HasSuffix(string(text), "\none,''=p,failed,,,,\n") {
			t.Errorf("got %q, %v", text, err)
		}
		must(t, writeFailures(path, text, map[int]item{1: {State: "failed"}}))
	}
}

// A value with a control character, for which its row failed, is there to be mended.
func TestFailuresKeepWhatIsWrong(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "failed.csv")
	must(t, writeFailures(path, []byte("name,secret\n\"o\nne\x1b\",p\n"), map[int]item{1: {State: "failed"}}))
	if text, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(text), "\n\"o\nne\x1b\",p,failed,,,,\n") {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestFailuresOfJSON(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "failed.ndjson")
	const content = `[{"name":"one","enabled":true,"ping":30,"realm":null},{"Name":"two","result_code":"old","secret":"a\"b"}]`
	must(t, writeFailures(path, []byte(content), map[int]item{1: {State: "skipped"}, 2: {State: "failed", Error: &itemError{Code: "conflict", Field: "name", Message: "taken"}}}))
	text, err := os.ReadFile(path)
	must(t, err)
	const want = `{"name":"one","enabled":"true","ping":"30","result_state":"skipped","result_action":"","result_gateway_uuid":"","result_code":"","result_error":""}` + "\n" +
		`{"name":"two","secret":"a\"b","result_state":"failed","result_action":"","result_gateway_uuid":"","result_code":"conflict","result_error":"name: taken"}` + "\n"
	if string(text) != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
}

// Faults of the file are a table, with all of what is wrong.
func TestImportOfAFaultyFile(t *testing.T) {
	t.Parallel()
	sc := &scene{api: answers{"POST /v1/gateways/bulk": says(422, `{"detail":"line 2: is empty; and 2 more, in errors","code":"invalid_rows","request_id":"r",
		"errors":[{"line":2,"row":1,"field":"gateway_name","code":"invalid_gateway","message":"is empty\u001b"},{"line":3,"code":"conflict","message":"twice"}],"errors_total":3}`)}}
	sc.run(t, importing(t, gatewayImportCommand{Agreement: Agreement{Yes: true}})).
		wants(t, 1, "LINE", `is empty\u001b`, "twice", "and 1 more", "invalid_rows", "request r")
	empty := importing(t, gatewayImportCommand{Agreement: Agreement{Yes: true}})
	must(t, os.WriteFile(empty.File, nil, 0o600))
	new(scene).run(t, empty).wants(t, 1, "is empty")
	empty.File += ".none"
	new(scene).run(t, empty).wants(t, 1, "no such file")
}

// A connection that breaks before the answer has the file sent again, under the same key.
func TestImportIsSentAgain(t *testing.T) {
	t.Parallel()
	var keys []string
	api, wrote := bulkAPI(t, dryItems, "succeeded", "", dryItems)
	accept := api["POST /v1/gateways/bulk"]
	api["POST /v1/gateways/bulk"] = func(w http.ResponseWriter, r *http.Request, body string) {
		if keys = append(keys, r.Header.Get("Idempotency-Key")); len(keys) == 1 {
			says(502, "bad gateway")(w, r, "")
			return
		}
		accept(w, r, body)
	}
	sc := &scene{api: api}
	sc.run(t, importing(t, gatewayImportCommand{Agreement: Agreement{Yes: true}})).wants(t, 0)
	if len(keys) != 2 || keys[0] != keys[1] || *wrote != 1 {
		t.Errorf("keys %q, written %d times", keys, *wrote)
	}
}

// Ctrl-C before the answer says how to find out whether it was accepted.
func TestImportInterruptedEarly(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	sc := &scene{ctx: ctx, api: answers{"POST /v1/gateways/bulk": func(_ http.ResponseWriter, r *http.Request, _ string) {
		interrupt()
		<-r.Context().Done()
	}}}
	sc.run(t, importing(t, gatewayImportCommand{Agreement: Agreement{Yes: true}})).wants(t, statusInterrupted, "jobs list --kind bulk", "--idempotency-key")
}

// Where the connection breaks before the answer each command says how to find out, and only what takes a key names one.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	breaks := func(http.ResponseWriter, *http.Request, string) { panic(http.ErrAbortHandler) }
	agreed := Agreement{Yes: true}
	sc := &scene{api: answers{"POST /v1/gateways/bulk": breaks, "POST /v1/gateways/actions": breaks}}
	sc.run(t, importing(t, gatewayImportCommand{Agreement: agreed})).wants(t, 1, "whether the import was accepted", "--idempotency-key")
	got := sc.run(t, gatewayDisableCommand{Change{Agreement: agreed, Selection: Selection{All: true}}})
	if got.wants(t, 1, "jobs list --kind bulk", "whether the disable was accepted"); strings.Contains(got.String(), "--idempotency-key") {
		t.Errorf("it names a flag that there is not: %s", got)
	}
}

// From standard input nobody can be asked.
func TestImportOfStandardInput(t *testing.T) {
	t.Parallel()
	yes := "y"
	new(scene).run(t, gatewayImportCommand{File: "-", Mode: "all"}).wants(t, 1, "--yes")
	(&scene{answer: &yes}).run(t, gatewayImportCommand{File: "-", Mode: "all"}).wants(t, 1, "standard input", "--yes")
	sc := &scene{in: `{"name":"one"}`, api: answers{}}
	sc.api["POST /v1/gateways/bulk"] = func(w http.ResponseWriter, r *http.Request, body string) {
		if q := r.URL.Query(); body != `{"name":"one"}` || q.Get("ignore_columns") != "a,b" || q.Get("tenant_domain") != "global" || q.Get("mode") != "each" {
			t.Errorf("sent %s %s", r.URL, body)
		}
		says(200, aJob("succeeded", `,"counts":{"total":1}`))(w, r, "")
	}
	sc.run(t, gatewayImportCommand{File: "-", Mode: "each", Agreement: Agreement{Yes: true}, IgnoreColumns: []string{"a", "b"}, TenantDomain: "global"}).wants(t, 0, "1 in all")
}
