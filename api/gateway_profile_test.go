package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"trunkline/api"
	"trunkline/internal/pbxtest/fssim"
)

// A gateway that gets another profile is under that one alone once the answer comes.
func TestAnotherProfileIsInEffect(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2})
	patch := func(id, profile string) call {
		return with(b.asSuperadmin(call{path: gatewaysPath + "/" + id}), http.MethodPatch, fmt.Sprintf(`{"profile":%q}`, profile))
	}
	id := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("moves", "tenant_domain", "global")})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	for _, profile := range []string{"internal", "external"} {
		b.do(t, patch(id, profile)).want(t, http.StatusOK, "").says(t, `"action":"updated"`)
		for i, sw := range b.switches {
			if got := sw.Loaded()[id].Profile; got != profile || copies(sw, id) != 1 {
				t.Errorf("switch %d has %d copies, under %q, want one under %s", i, copies(sw, id), got, profile)
			}
		}
	}
}

// copies is how often the switch's list has the gateway, those included that are about to go.
func copies(sw *fssim.Switch, id string) int {
	return strings.Count(sw.Console("sofia xmlstatus gateway"), "<name>"+id+"</name>")
}

// Several ask for one new name at once, at several front ends before several workers: one gateway comes of it, and every
// answer is about that one.
func TestOneNameAtSeveralFrontEnds(t *testing.T) {
	t.Parallel()
	const asked = 8
	b := newBundle(t, setUp{})
	b.startWorker(t)
	second, err := api.New(b.options)
	must(t, err)
	other := *b
	other.server = second
	answers := make([]answer, asked)
	var callers sync.WaitGroup
	for i := range asked {
		callers.Go(func() {
			c := b.asAdmin(call{path: provisionPath, form: carrier("wanted", "expire_seconds", fmt.Sprint(60+i%3))})
			answers[i] = []*bundle{b, &other}[i/2%2].do(t, c)
		})
	}
	callers.Wait()
	created, rows := 0, b.count(t, "select count(*) from v_gateways where lower(gateway) = 'wanted'")
	uuids := map[string]bool{}
	for _, got := range answers {
		m := got.want(t, http.StatusOK, "").decode(t)
		uuids[m["gateway_uuid"].(string)] = true
		if m["action"] == "created" {
			created++
		}
	}
	if rows != 1 || len(uuids) != 1 || created == 0 {
		t.Errorf("%d rows, %d uuids in the answers, of which %d say that it was created", rows, len(uuids), created)
	}
	for id := range uuids {
		if n := copies(b.switches[0], id); n != 1 {
			t.Errorf("the switch has %d copies", n)
		}
	}
}
