package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
)

// A list is filtered, counted and paged, and asks each switch once.
func TestSearchOfGateways(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own := b.sample.Domains[1].Name
	for n := range 5 {
		enabled := fmt.Sprint(n%2 == 0)
		b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier(fmt.Sprintf("page %d", 4-n), "tenant_domain", own, "register", "false", "gateway_enabled", enabled,
			"external_id", fmt.Sprintf("s-%d", n), "description", "Number "+enabled)})).want(t, http.StatusOK, "")
	}
	list := func(query string) answer { return b.do(t, b.asAdmin(call{path: gatewaysPath + "?" + query})) }
	names := func(a answer) string {
		var all []string
		for _, g := range a.want(t, http.StatusOK, "").decode(t)["gateways"].([]any) {
			all = append(all, strings.TrimPrefix(g.(map[string]any)["gateway_name"].(string), "page "))
		}
		return strings.Join(all, "")
	}
	for query, want := range map[string]string{
		"text=PAGE": "01234", "text=number+false": "13", "text=page&enabled=true": "024", "text=page&state=noreg": "024", "text=page&status=DOWN": "13",
		"external_id=s-1": "3", "external_id=S-1": "", "text=page&profile=nothing": "", "text=page&tenant_domain=" + own: "01234",
	} {
		if got := names(list(query)); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	var first answer
	pbxtest.Eventually(t, "the switch is asked once, while no worker looks at the gateways too", func() bool {
		before := b.switches[0].CountCommands("sofia xmlstatus gateway")
		first = list("text=page&limit=2").says(t, `"NOREG":3`, `"NOT_LOADED":2`)
		return b.switches[0].CountCommands("sofia xmlstatus gateway")-before == 1
	})
	pages := names(first)
	for after := first.text(t, "next"); after != ""; {
		page := list("text=page&limit=2&after=" + after)
		pages, after = pages+"/"+names(page), page.text(t, "next")
	}
	if pages != "01/23/4" {
		t.Errorf("the pages are %s", pages)
	}
	for query, word := range map[string]string{"after=nonsense": "after", "state=HAPPY": "REGED", "status=HAPPY": "UNKNOWN", "enabled=perhaps": "enabled", "limit=0": "limit", "color=red": "color"} {
		list(query).want(t, http.StatusBadRequest, "invalid_request").says(t, word)
	}
	// How they stand is kept with since when.
	pbxtest.Eventually(t, "it is known since when", func() bool { return strings.Contains(list("external_id=s-0").body, `"state_since"`) })
	must(t, b.switches[0].Stop())
	list("external_id=s-0").want(t, http.StatusOK, "").says(t, `"UNKNOWN":1`, `"warnings"`, b.switches[0].Addr())
}

func TestChoices(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own := b.sample.Domains[1].Name
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("one", "tenant_domain", own)})).want(t, http.StatusOK, "")
	profiles := b.do(t, b.asAdmin(call{path: "/v1/profiles"})).want(t, http.StatusOK, "")
	if !strings.Contains(profiles.body, `{"name":"external","enabled":true,"switches":[{"switch":"`+b.switches[0].Addr()+`","running":true}]}`) {
		t.Errorf("got %s", profiles.body)
	}
	mine := b.do(t, b.asAdmin(call{path: "/v1/domains"})).want(t, http.StatusOK, "").decode(t)["domains"].([]any)
	if len(mine) != 1 || mine[0].(map[string]any)["name"] != own || mine[0].(map[string]any)["gateways"].(float64) < 1 {
		t.Errorf("an admin sees %v", mine)
	}
	seen := map[string]bool{}
	for after := ""; ; {
		page := b.do(t, b.asSuperadmin(call{path: "/v1/domains?limit=1&after=" + after})).want(t, http.StatusOK, "")
		for _, d := range page.decode(t)["domains"].([]any) {
			seen[d.(map[string]any)["name"].(string)] = true
		}
		if after = page.text(t, "next"); after == "" {
			break
		}
	}
	if len(seen) != len(b.sample.Domains) {
		t.Errorf("a superadmin sees %v", seen)
	}
}
