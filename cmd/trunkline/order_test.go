package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/tour"
	"trunkline/tasks"
)

// orderedJobs is how many requests about one gateway are accepted one after the other.
const orderedJobs = 50

// Requests about one gateway take effect in the order in which two front ends accepted them, although workers are
// killed in the middle of them; those about other gateways do not wait for that.
func TestOrderOutlivesKilledWorkers(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	p.env = append(p.env, "TRUNKLINE_HEARTBEAT_INTERVAL=100ms", "TRUNKLINE_HEARTBEAT_TIMEOUT=1s", "TRUNKLINE_SWEEP_INTERVAL=100ms",
		// None of the jobs fails because it loses its worker again and again.
		"TRUNKLINE_JOB_MAX_ATTEMPTS=1000")
	client := p.open(t)
	must(t, client.Keys().CheckDatabase(t.Context(), p.pool)) // as the first start does
	p.recordVersions(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	requests := orderedRequests(rand.New(rand.NewPCG(seed, 0)), p.sample.Domains[0].Name)
	p.start(t, "scheduler")
	callers := &callers{client: client}
	for range 2 {
		base, _ := p.serve(t, "api")
		callers.fronts = append(callers.fronts, p.billing(t, base).tour)
	}
	crew := p.newCrew(t)
	var jobs []tasks.Job
	var failed error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		jobs, failed = p.sendInOrder(t.Context(), callers, requests)
	}()
	crew.replaceUntil(t, ended)
	must(t, failed)
	crew.report(t, jobs)
	for i := range jobs[1:] {
		if before, job := jobs[i], jobs[i+1]; job.StartedAt.Before(*before.FinishedAt) {
			t.Errorf("job %d started at %v, before the one before it ended at %v", i+1, job.StartedAt, before.FinishedAt)
		}
	}
	p.wantVersions(t, requests)
}

// orderedRequest is one request, and how the gateway stands once it has taken effect.
type orderedRequest struct {
	tour.Call
	stands standing
}

// standing is a gateway as far as the requests change it; that of none is empty.
type standing struct{ Password, Enabled, Profile, Description string }

// orderedRequests are requests of every sort about the gateway carrier, each of which changes something.
func orderedRequests(random *rand.Rand, domain string) (requests []orderedRequest) {
	toggled := func(value, one, other string) string {
		if value == one {
			return other
		}
		return one
	}
	var now standing
	for i := range orderedJobs {
		form := url.Values{"gateway_name": {"carrier"}, "tenant_domain": {domain}, "wait": {"0"}}
		call := provisionCall(form)
		sort := random.IntN(10)
		switch {
		case now == standing{}:
			now = standing{Password: fmt.Sprintf("password-%d", i), Enabled: "true", Profile: "external"}
			form.Set("gateway_domain", "sip.carrier.example")
			form.Set("gateway_username", "account")
			form.Set("gateway_password", now.Password)
		case i == orderedJobs-1 || sort < 2:
			now.Password = fmt.Sprintf("password-%d", i)
			form.Set("gateway_password", now.Password)
		case sort < 6:
			now.Enabled = toggled(now.Enabled, "false", "true")
			form.Set("gateway_enabled", now.Enabled)
		case sort < 8:
			now.Profile = toggled(now.Profile, "internal", "external")
			form.Set("profile", now.Profile)
		case sort < 9:
			now.Description = fmt.Sprintf("description %d", i)
			form.Set("description", now.Description)
		default:
			now = standing{}
			call = tour.Call{Method: http.MethodDelete, Path: "/v1/gateways?" + form.Encode(), Login: true}
		}
		requests = append(requests, orderedRequest{Call: call, stands: now})
	}
	return requests
}

// callers sends requests to the front ends in turn, each once the one before it was accepted.
type callers struct {
	client *tasks.Client
	fronts []*tour.Tour
	sent   int
}

// accepted sends the requests and returns their jobs.
func (c *callers) accepted(ctx context.Context, requests []orderedRequest) (jobs []tasks.Job, err error) {
	for _, request := range requests {
		c.sent++
		got, err := c.fronts[c.sent%len(c.fronts)].Send(ctx, request.Call)
		if err != nil {
			return nil, err
		}
		var answer struct {
			JobID string `json:"job_id"`
		}
		if err := json.Unmarshal(got.Body, &answer); err != nil || got.Status != http.StatusAccepted {
			return nil, fmt.Errorf("request %d: %d %s", c.sent, got.Status, got.Body)
		}
		jobs = append(jobs, tasks.Job{ID: answer.JobID})
	}
	return jobs, nil
}

// succeeded waits for the jobs, and reads how they ended.
func (c *callers) succeeded(ctx context.Context, jobs []tasks.Job) (err error) {
	for i := range jobs {
		if jobs[i], err = c.client.Wait(ctx, jobs[i].ID, patience); err != nil {
			return err
		}
		if job := jobs[i]; job.State != tasks.StateSucceeded {
			return fmt.Errorf("job %d: %s at attempt %d: %v", i, job.State, job.Attempt, job.Error)
		}
	}
	return nil
}

// sendInOrder sends all requests and returns their jobs once they have succeeded. While the second waits for its row,
// and some behind it for their turn, jobs of other gateways are done.
func (p *samplePBX) sendInOrder(ctx context.Context, c *callers, requests []orderedRequest) (jobs []tasks.Job, err error) {
	send := func(requests []orderedRequest) error {
		accepted, err := c.accepted(ctx, requests)
		jobs = append(jobs, accepted...)
		return err
	}
	if err := errors.Join(send(requests[:1]), c.succeeded(ctx, jobs)); err != nil {
		return jobs, err
	}
	const some = 5
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select from v_gateways where gateway = 'carrier' for update"); err != nil {
			return err
		}
		if err := send(requests[1:some]); err != nil {
			return err
		}
		others, err := c.accepted(ctx, otherRequests(p.sample.Domains[1:]))
		if err != nil {
			return err
		}
		return c.succeeded(ctx, others)
	})
	if err != nil {
		return jobs, fmt.Errorf("while a job waits for its row: %w", err)
	}
	if err := send(requests[some:]); err != nil {
		return jobs, err
	}
	return jobs, c.succeeded(ctx, jobs)
}

// otherRequests make a gateway in each domain.
func otherRequests(domains []sample.Domain) (requests []orderedRequest) {
	for _, domain := range domains {
		requests = append(requests, orderedRequest{Call: provisionCall(url.Values{
			"gateway_name": {"other"}, "tenant_domain": {domain.Name}, "wait": {"0"},
			"gateway_domain": {"sip.carrier.example"}, "gateway_username": {"account"}, "gateway_password": {"password"},
		})})
	}
	return requests
}

func provisionCall(form url.Values) tour.Call {
	return tour.Call{Method: http.MethodPost, Path: "/app/gateways/provision.php", Login: true, Form: form}
}

// recordVersions has the database keep each version of the gateway that was committed.
func (p *samplePBX) recordVersions(t *testing.T) {
	t.Helper()
	_, err := p.pool.Exec(t.Context(), `
		create table versions (n bigint generated always as identity, gateway text, password text, enabled text, profile text, description text);
		create function record_version() returns trigger language plpgsql as $$
		begin
			if tg_op = 'DELETE' then
				insert into versions (gateway) values (old.gateway);
			else
				insert into versions (gateway, password, enabled, profile, description)
				values (new.gateway, new.password, new.enabled, new.profile, new.description);
			end if;
			return null;
		end $$;
		create trigger record_version after insert or update or delete on v_gateways for each row execute procedure record_version();`)
	must(t, err)
}

// wantVersions checks that the row went through what the requests asked for one after the other, and that the switch
// has loaded what the last one left. What a second attempt writes again is no other version.
func (p *samplePBX) wantVersions(t *testing.T, requests []orderedRequest) {
	t.Helper()
	rows, _ := p.pool.Query(t.Context(), `
		select coalesce(password, ''), coalesce(enabled, ''), coalesce(profile, ''), coalesce(description, '') from versions where gateway = 'carrier' order by n`)
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[standing])
	must(t, err)
	var want []standing
	for _, request := range requests {
		want = append(want, request.stands)
	}
	if got := slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("the row went through\n%v\nwant\n%v", got, want)
	}
	last := want[len(want)-1]
	var now standing
	var id string
	must(t, p.pool.QueryRow(t.Context(), `
		select gateway_uuid::text, password, enabled::text, profile, coalesce(description, '') from v_gateways where gateway = 'carrier'`).
		Scan(&id, &now.Password, &now.Enabled, &now.Profile, &now.Description))
	if now != last {
		t.Errorf("the row has %v, want %v", now, last)
	}
	if loaded, is := p.sw.Loaded()[id]; is != (last.Enabled == "true") || is && (loaded.Profile != last.Profile || loaded.Params["password"] != last.Password) {
		t.Errorf("loaded %v: %+v, want %v", is, loaded, last)
	}
}
