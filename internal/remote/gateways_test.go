package remote

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	gateway1 = "5d4f2a0e-8f5b-4e0c-9a55-1f2d3c4b5a69"
	gateway2 = "6d4f2a0e-8f5b-4e0c-9a55-1f2d3c4b5a69"
)

func TestGatewayList(t *testing.T) {
	t.Parallel()
	hostile := `\u001b[0m`
	page := func(w http.ResponseWriter, r *http.Request, _ string) {
		q := r.URL.Query()
		if q.Get("tenant_domain") != "a.example" || q.Get("enabled") != "false" {
			t.Errorf("asked %s", r.URL)
		}
		if q.Get("after") == "" {
			says(200, `{"gateways":[{"gateway_uuid":"u1","gateway_name":"=one`+hostile+`","state":"REGED","external_ids":["a","b"]}],"counts":{"REGED":1,"FAIL_WAIT":1},"next":"x","warnings":["switch a is away"]}`)(w, r, "")
			return
		}
		says(200, `{"gateways":[{"gateway_uuid":"u2","gateway_name":"two","tenant_domain":"a.example"}]}`)(w, r, "")
	}
	c := gatewayListCommand{Filter: Filter{Domain: "a.example", Enabled: "false"}, Format: Format{Output: "table"}}
	list := func() ran { return (&scene{api: answers{"GET /v1/gateways": page}}).run(t, c) }
	list().wants(t, 0, "GATEWAY", `=one\u001b[0m`, "u2", "WARNING: switch a is away", "1 FAIL_WAIT, 1 REGED")
	c.Output = "json"
	list().wants(t, 0, `"gateway_name": "=one\u001b[0m"`, `"tenant_domain": "a.example"`)
	c.Output, c.Limit, hostile = "csv", 1, "" // a file for machines holds what is there
	const want = "gateway,name,domain,enabled,profile,carrier,state,status,external_id\n"
	if got := list(); !strings.HasPrefix(got.out, want) || !strings.Contains(got.out, "u1,'=one") || strings.Contains(got.out, "u2") || !strings.Contains(got.err, "--limit") {
		t.Errorf("got %s", got)
	}
}

func TestGatewayGet(t *testing.T) {
	t.Parallel()
	api := answers{
		"GET /v1/gateways/" + gateway1: says(200, `{"gateway_uuid":"u","gateway_name":"n\u009b","realm":"","external_ids":["a","b"],"ping":30,
			"switches":[{"switch":"s1","state":"REGED"},{"switch":"s2","calls_in":4}]}`),
		"GET /v1/gateways/by-external-id/service/1": says(200, `{"gateway_name":"other"}`),
	}
	sc := &scene{api: api}
	got := sc.run(t, gatewayGetCommand{ID: gateway1, Output: "table"})
	const want = "gateway_uuid  u\ngateway_name  n\\u009b\nexternal_ids  a b\nping          30\n\nSWITCH  STATE  CALLS IN\ns1      REGED  -\ns2      -      4\n"
	if got.out != want {
		t.Errorf("got\n%s", got.out)
	}
	sc.run(t, gatewayGetCommand{ExternalID: "service/1", Output: "json"}).wants(t, 0, `"gateway_name": "other"`)
	sc.run(t, gatewayGetCommand{ID: "../jobs"}).wants(t, 1, "gateways list")
	sc.run(t, gatewayGetCommand{}).wants(t, 1, "--external-id")
}

func TestGatewayExport(t *testing.T) {
	t.Parallel()
	api := answers{"GET /v1/gateways": func(w http.ResponseWriter, r *http.Request, _ string) {
		says(200, r.URL.Query().Encode()+"\n")(w, r, "")
	}}
	folder := t.TempDir()
	path := filepath.Join(folder, "gateways.ndjson")
	must(t, os.WriteFile(path, []byte("old"), 0o644))
	(&scene{api: api}).run(t, gatewayExportCommand{File: path, WithSecrets: true}).wants(t, 0, path)
	text, err := os.ReadFile(path)
	must(t, err)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || string(text) != "format=ndjson&with_secrets=true\n" {
		t.Errorf("got %q of mode %v, %v", text, info.Mode(), err)
	}
	(&scene{api: api}).run(t, gatewayExportCommand{File: "-"}).wants(t, 0, "format=csv\n")
	refused := answers{"GET /v1/gateways": says(403, `{"code":"forbidden","detail":"needs scope admin"}`)}
	path = filepath.Join(folder, "none.csv")
	(&scene{api: refused}).run(t, gatewayExportCommand{File: path, WithSecrets: true}).wants(t, 1, "scope admin")
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a refusal leaves a file: %v", err)
	}
}

// Several gateways are one job, which is shown and asked about first; one is changed by itself.
func TestGatewayActions(t *testing.T) {
	t.Parallel()
	yes := "y"
	var sent []string
	api := answers{}
	api["POST /v1/gateways/actions"] = func(w http.ResponseWriter, r *http.Request, body string) {
		sent = append(sent, body)
		items := `[{"number":1,"state":"succeeded","action":"change","gateway_name":"one"},{"number":2,"state":"succeeded","action":"unchanged","gateway_name":"two"}]`
		api.ends("succeeded", `,"result":{"counts":{"total":2,"updated":1,"unchanged":1}}`, items)
		says(202, `{"job_id":"`+testJob+`"}`)(w, r, "")
	}
	change := Change{Mode: "each", Selection: Selection{IDs: []string{gateway1, gateway2}}, Format: Format{Output: "table"}}
	sc := &scene{api: api, answer: &yes}
	sc.run(t, gatewayDisableCommand{change}).wants(t, 0, "one", "1 updated")
	if len(sent) != 2 || sent[0] != "action=disable&dry_run=true&ids="+gateway1+"%2C"+gateway2+"&mode=each" || sent[1] != "action=disable&ids="+gateway1+"%2C"+gateway2+"&mode=each" {
		t.Errorf("sent %q", sent)
	}
	if len(sc.asked) != 1 || sc.asked[0] != "Disable 1 of 2 gateways?" {
		t.Errorf("asked %q", sc.asked)
	}
	sent = nil
	all := Change{Mode: "all", Selection: Selection{All: true}, Agreement: Agreement{Yes: true}}
	sc.run(t, gatewayDeleteCommand{Change: all, Force: true}).wants(t, 0)
	if len(sent) != 1 || sent[0] != "action=delete&all=true&force=true&mode=all" {
		t.Errorf("sent %q", sent)
	}
	all.Output = "json"
	sc.run(t, gatewayDisableCommand{all}).wants(t, 0, `"job_id": "`+testJob+`"`, `"updated": 1`)
	all.Output = "csv"
	sc.run(t, gatewayDisableCommand{all}).wants(t, 0, "row,line,state,action,", "\n1,,succeeded,change,,one,,\n")
	for _, wrong := range []Selection{{}, {All: true, IDs: []string{gateway1}}, {All: true, Filter: Filter{Domain: "x"}}, {IDs: []string{"one"}}} {
		sc.run(t, gatewayEnableCommand{Change{Selection: wrong, Agreement: Agreement{Yes: true}}}).wants(t, 1)
	}
	new(scene).run(t, gatewayEnableCommand{change}).wants(t, 1, "--yes")

	one := Change{Selection: Selection{IDs: []string{gateway1}}, Agreement: Agreement{Yes: true}}
	api["POST /v1/gateways/"+gateway1+"/enable"] = says(200, `{"status":"success"}`)
	sc.run(t, gatewayEnableCommand{one}).wants(t, 0, "enabled")
	one.Output = "json"
	if got := sc.run(t, gatewayEnableCommand{one}); got.out != "{\n  \"status\": \"success\"\n}\n" {
		t.Errorf("as JSON: %s", got)
	}
	api["DELETE /v1/gateways/"+gateway1] = func(w http.ResponseWriter, r *http.Request, body string) {
		if r.FormValue("force") != "true" {
			says(409, `{"code":"conflict","detail":"outbound routes name it: x"}`)(w, r, "")
			return
		}
		api.ends("failed", `,"error":{"code":"switch_timeout","message":"no answer"}`, "[]")
		says(202, `{"job_id":"`+testJob+`"}`)(w, r, "")
	}
	sc.run(t, gatewayDeleteCommand{Change: one}).wants(t, 1, "outbound routes name it")
	sc.run(t, gatewayDeleteCommand{Change: one, Force: true}).wants(t, 1, "switch_timeout")
}

func TestDriftAndReconcile(t *testing.T) {
	t.Parallel()
	const found = `{"findings":[
		{"kind":"not_loaded","gateway_uuid":"` + gateway1 + `","gateway_name":"one\u001b","switch":"s1","what":"is not loaded","remedy":"reconcile","repair":true},
		{"kind":"fail_wait","gateway_uuid":"` + gateway2 + `","gateway_name":"two","what":"refused","remedy":"ask the carrier"}],"total":2,
		"switches":[{"switch":"s1"},{"switch":"s2","error":"it does not answer"}]}`
	drift := func(text, output string) ran {
		return (&scene{api: answers{"GET /v1/gateways/drift": says(200, text)}}).run(t, gatewayDriftCommand{Format: Format{Output: output}})
	}
	drift(found, "table").wants(t, statusDrift, "KIND", `one\u001b`, "ask the carrier", "drift: 2", "s2: it does not answer")
	drift(found, "json").wants(t, statusDrift, `"repair": true`, `"switches"`)
	drift(`{"findings":[],"switches":[{"switch":"s1"}]}`, "table").wants(t, 0, "no drift")
	drift(`{"findings":[],"switches":[{"switch":"s1","cache_error":"odd"}]}`, "table").wants(t, 1, "not everywhere", "s1: odd")

	yes, no := "y", "n"
	var sent []string
	api := answers{"GET /v1/gateways/drift": says(200, found)}
	api["POST /v1/gateways/reconcile"] = func(w http.ResponseWriter, r *http.Request, body string) {
		sent = append(sent, body)
		api.ends("partial", `,"counts":{"total":1,"failed":1}`, `[{"number":1,"state":"failed","gateway_name":"one","error":{"code":"switch_unavailable","message":"away"}}]`)
		says(202, `{"job_id":"`+testJob+`"}`)(w, r, "")
	}
	(&scene{api: api, answer: &no}).run(t, gatewayReconcileCommand{All: true}).wants(t, 1, "not_loaded", "nothing was changed")
	(&scene{api: api}).run(t, gatewayReconcileCommand{All: true}).wants(t, 1, "--yes")
	(&scene{api: api}).run(t, gatewayReconcileCommand{Yes: true}).wants(t, 1, "--all")
	if len(sent) != 0 {
		t.Fatalf("sent %q", sent)
	}
	(&scene{api: api, answer: &yes}).run(t, gatewayReconcileCommand{All: true}).wants(t, statusPartial, "away (switch_unavailable)", "1 failed")
	many := gatewayReconcileCommand{Yes: true}
	for range 1000 {
		many.IDs = append(many.IDs, gateway2)
	}
	(&scene{api: api}).run(t, many).wants(t, statusPartial)
	if len(sent) != 2 || sent[0] != "ids="+gateway1 || strings.Count(sent[1], gateway2) != len(many.IDs) {
		t.Errorf("sent %d requests: %q", len(sent), sent)
	}
}
