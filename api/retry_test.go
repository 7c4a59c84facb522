package api_test

import (
	"fmt"
	"net/http"
	"testing"

	"trunkline/internal/pbxtest"
)

// failing has the caller ask for a gateway while the switch's configuration is broken, and returns the job that
// failed for it.
func (b *bundle) failing(t *testing.T, as func(call) call, name string, more ...string) (id string) {
	t.Helper()
	b.switches[0].BreakXML(7, "mismatched tag")
	defer b.switches[0].RepairXML()
	return b.do(t, as(call{path: provisionPath, form: carrier(name, more...)})).want(t, http.StatusInternalServerError, "switch_configuration").text(t, "job_id")
}

func (b *bundle) retry(t *testing.T, as func(call) call, job string) answer {
	t.Helper()
	return b.do(t, as(call{method: http.MethodPost, path: "/v1/jobs/" + job + "/retry"}))
}

// token is how a token of these scopes signs in, for one domain or all.
func (b *bundle) token(t *testing.T, name, scopes string, domains ...string) func(call) call {
	t.Helper()
	if len(domains) == 0 {
		domains = []string{"all_domains", "true"}
	} else {
		domains = []string{"domains", domains[0]}
	}
	_, secret := b.issue(t, name, scopes, domains...)
	return func(c call) call { return bearing(secret, c) }
}

// What a superadmin asked for about a domain's gateway is not the domain's to cancel or bring back; what the
// domain itself asked for is.
func TestWhoMayChangeAJob(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own, other := b.sample.AdminDomain, b.sample.Domains[0].Name
	of := func(as func(call) call) func(call) call {
		return func(c call) call {
			if c.form != nil {
				c.form.Set("tenant_domain", own)
			}
			return as(c)
		}
	}
	superadmin, all := of(b.asSuperadmin), of(b.token(t, "all", "provision"))
	one, two := of(b.token(t, "one", "provision", own)), of(b.token(t, "two", "provision", own+","+other))
	demoted := of(b.token(t, "demoted", "provision"))
	for i, c := range []struct {
		name    string
		by, who func(call) call
		may     bool
	}{
		{"an admin, a superadmin's", superadmin, b.asAdmin, false},
		{"an admin, one of a token for all domains", all, b.asAdmin, false},
		{"an admin, one of a token for several domains", two, b.asAdmin, false},
		{"an admin, one of a token for the domain", one, b.asAdmin, true},
		{"a token for the domain, an admin's", b.asAdmin, one, true},
		{"a token for the domain, a superadmin's", superadmin, one, false},
		{"a token for several domains, an admin's", b.asAdmin, two, true},
		{"an admin, their own", b.asAdmin, b.asAdmin, true},
		{"a superadmin, an admin's", b.asAdmin, superadmin, true},
		{"an admin, one of a token that is gone", demoted, b.asAdmin, false},
	} {
		job := b.failing(t, c.by, fmt.Sprintf("gateway-%d", i))
		if c.name == "an admin, one of a token that is gone" {
			b.exec(t, "delete from trunkline.tokens where name = 'demoted'")
		}
		status, code := http.StatusAccepted, ""
		if !c.may {
			status, code = http.StatusForbidden, "forbidden"
		}
		cancel := call{method: http.MethodPost, path: "/v1/jobs/" + job + "/cancel"}
		if got := b.do(t, c.who(cancel)); got.status == http.StatusForbidden == c.may {
			t.Errorf("%s: cancelling is %d %s", c.name, got.status, got.body)
		}
		if got := b.retry(t, c.who, job); got.status != status || code != "" && got.text(t, "code") != code {
			t.Errorf("%s: retrying is %d %s", c.name, got.status, got.body)
		}
		if c.may {
			b.do(t, superadmin(call{path: "/v1/jobs/" + job + "?wait=20"})).want(t, http.StatusOK, "").says(t, "succeeded")
		}
	}
}

// A superadmin's suspension of a domain's gateway waits in the queue, and stays there.
func TestADomainDoesNotCancelItsSuspension(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	job := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("g", "tenant_domain", b.sample.AdminDomain, "gateway_enabled", "false", "wait", "0")})).text(t, "job_id")
	b.do(t, b.asAdmin(call{method: http.MethodPost, path: "/v1/jobs/" + job + "/cancel"})).want(t, http.StatusForbidden, "forbidden").says(t, "superadmin")
	b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + job})).want(t, http.StatusOK, "").says(t, `"queued"`)
}

// A retry is a new request of whoever retries: what they may not ask for now is refused, and so is what would undo
// what somebody changed since.
func TestRetryIsJudgedAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(b *bundle, t *testing.T, job string)
		status int
		code   string
	}{
		"nothing changed": {func(*bundle, *testing.T, string) {}, 202, ""},
		"the context that a former superadmin asked for": {func(b *bundle, t *testing.T, job string) {
			b.exec(t, `update trunkline.jobs set params = jsonb_set(params::jsonb, '{values,context}', '"default"')::json where id = $1`, job)
		}, 403, "forbidden"},
		"another password": {func(b *bundle, t *testing.T, _ string) {
			b.do(t, b.asAdmin(call{path: provisionPath, form: form("gateway_name", "g", "gateway_password", "another-one")})).want(t, 200, "")
		}, 409, "conflict"},
		"a row changed on FusionPBX's page": {func(b *bundle, t *testing.T, _ string) {
			b.exec(t, "update v_gateways set description = 'by hand' where gateway = 'g'")
		}, 409, "conflict"},
		"a row deleted there": {func(b *bundle, t *testing.T, _ string) { b.exec(t, "delete from v_gateways where gateway = 'g'") }, 409, "conflict"},
		"a profile that is not enabled": {func(b *bundle, t *testing.T, _ string) {
			b.exec(t, "update v_sip_profiles set sip_profile_enabled = 'false'")
		}, 422, "profile_unavailable"},
		"a password that was wiped": {func(b *bundle, t *testing.T, job string) {
			b.exec(t, "update trunkline.jobs set sealed = null where id = $1", job)
		}, 409, "job_state"},
		"a job whose worker was lost": {func(b *bundle, t *testing.T, job string) {
			sealed, err := b.tasks.Keys().Seal(job, map[string]string{"password": gatewayPassword})
			must(t, err)
			b.exec(t, "update trunkline.jobs set sealed = $2 where id = $1", job, sealed)
		}, 409, "conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{})
			b.do(t, b.asAdmin(call{path: provisionPath, form: carrier("g")})).want(t, http.StatusOK, "")
			job := b.failing(t, b.asAdmin, "g", "expire_seconds", "1234", "profile", "external", "gateway_enabled", "true")
			c.change(b, t, job)
			b.retry(t, b.asAdmin, job).want(t, c.status, c.code)
			if c.status != http.StatusAccepted {
				b.do(t, b.asAdmin(call{path: "/v1/jobs/" + job})).want(t, http.StatusOK, "").says(t, `"failed"`)
				return
			}
			pbxtest.Eventually(t, "the retry changed the row", func() bool {
				return b.count(t, "select count(*) from v_gateways where gateway = 'g' and expire_seconds = 1234") == 1
			})
		})
	}
}

// A retry does not undo what was accepted before it and takes effect in between.
func TestRetryUndoesNothingOfAnEarlierTurn(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.do(t, b.asAdmin(call{path: provisionPath, form: carrier("g")})).want(t, http.StatusOK, "")
	job := b.failing(t, b.asAdmin, "g", "gateway_password", "the-old-one")
	held, release := b.switches[0].Hold("killgw")
	defer release()
	later := b.do(t, b.asAdmin(call{path: provisionPath, form: form("gateway_name", "g", "expire_seconds", "1111", "wait", "0")})).want(t, http.StatusAccepted, "").text(t, "job_id")
	<-held // its row is written, and its end is yet to come
	b.exec(t, "update v_gateways set expire_seconds = 800 where gateway = 'g'")
	b.retry(t, b.asAdmin, job).want(t, http.StatusAccepted, "")
	b.exec(t, "update v_gateways set expire_seconds = 1111 where gateway = 'g'")
	release()
	b.do(t, b.asAdmin(call{path: "/v1/jobs/" + later + "?wait=20"})).want(t, http.StatusOK, "").says(t, "succeeded")
	b.do(t, b.asAdmin(call{path: "/v1/jobs/" + job + "?wait=20"})).want(t, http.StatusOK, "").says(t, `"conflict"`)
	if n := b.count(t, "select count(*) from v_gateways where gateway = 'g' and password = 'the-old-one'"); n != 0 {
		t.Error("the old password is back")
	}
}

// A gateway that was not there is made by the retry, unless somebody has made one since.
func TestRetryOfACreation(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]bool{"still absent": false, "made since": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{})
			job := b.failing(t, b.asAdmin, "g")
			status := http.StatusAccepted
			if made {
				b.do(t, b.asAdmin(call{path: provisionPath, form: carrier("g", "gateway_password", "another-one")})).want(t, http.StatusOK, "")
				status = http.StatusConflict
			}
			b.retry(t, b.asAdmin, job).want(t, status, "")
		})
	}
}
