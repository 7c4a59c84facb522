package gateways

import (
	"fmt"
	"slices"
	"strings"

	"trunkline/api/jobs"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// manyParams are those of a job; it is about several gateways, so that no external_id can name it.
var manyParams = slices.Concat(jobs.CallbackParams, jobs.KeyParams, jobs.WaitParams)

// manyReplies are those of a job about several gateways.
var manyReplies = []web.Reply{
	{Status: 200, About: "The job, which has ended: its items say what became of each gateway.", Body: jobs.Job{}},
	jobs.NotFinished,
}

// doWithMany has a job do one thing with each of the gateways, and waits for it.
func (s *Service) doWithMany(r *web.Request, asked gateway.Bulk, rows []fusionpbx.Gateway, body []string, do func(*gateway.Request)) error {
	job, err := s.jobOfMany(r, asked, rows, body, do)
	if err != nil {
		return err
	}
	return s.jobs.Do(r, job)
}

// jobOfMany is the job that does one thing with each of the gateways. One that has no row is known by its UUID alone.
// body is what the request says beside the gateways.
func (s *Service) jobOfMany(r *web.Request, asked gateway.Bulk, rows []fusionpbx.Gateway, body []string, do func(*gateway.Request)) (a jobs.Asked, err error) {
	if len(rows) > s.settings.BulkRows {
		return a, fault.Errorf(fault.TooLarge, "these are %d gateways, more than the %d of one job (TRUNKLINE_BULK_ROWS); choose fewer at a time", len(rows), s.settings.BulkRows)
	}
	names, err := s.domainNames(r.Context(), rows)
	if err != nil {
		return a, err
	}
	job := tasks.NewJob{Kind: tasks.KindBulk, Subject: "gateways", Params: asked, Urgent: true}
	taken := map[string]bool{}
	for _, row := range rows {
		one := gateway.Request{GatewayUUID: row.UUID, Name: row.Label(), DomainUUID: row.DomainUUID, Values: map[string]string{}}
		if row.DomainUUID != "" {
			one.DomainName = names[row.DomainUUID]
		}
		do(&one)
		item := tasks.NewItem{Params: gateway.BulkItem{Request: one}}
		if !asked.DryRun {
			// Two gateways of one name are told apart by their uuids.
			item.OrderKeys = slices.DeleteFunc(orderKeys(one), func(key string) bool { return taken[key] })
			for _, key := range item.OrderKeys {
				taken[key] = true
			}
		}
		job.Items = append(job.Items, item)
		job.Urgent = job.Urgent && one.Stops()
		if !slices.Contains(job.Domains, row.DomainUUID) {
			job.Domains = append(job.Domains, row.DomainUUID)
		}
		body = append(body, row.UUID)
	}
	if len(job.Domains) == 1 {
		job.DomainUUID = job.Domains[0]
	} else if !r.Caller.Domains.All {
		return a, fault.Invalid("tenant_domain", "these gateways are of %d domains; choose those of one domain at a time", len(job.Domains))
	}
	a = jobs.Asked{
		NewJob: job, Body: body,
		Stands: func(job tasks.Job) error { return s.allStand(r.Context(), job) },
		Answer: func(done tasks.Job) error { return s.jobs.Answer(r, done) },
	}
	if !asked.DryRun {
		a.Action, a.What = "gateway."+asked.Action, fmt.Sprintf("%d gateways", len(rows))
	}
	return a, nil
}

// named are the gateways whose uuids the request has, each once, in their order. One of another tenant's is as if it
// were not there. rowless: one without a row is meant too, by a caller of all domains.
func (s *Service) named(r *web.Request, rowless bool) ([]fusionpbx.Gateway, error) {
	ids, err := gatewayIDs(r)
	if err != nil {
		return nil, err
	}
	there, err := s.db.GatewaysByUUIDs(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	rows := make([]fusionpbx.Gateway, len(ids))
	for i, id := range ids {
		row, found := there[id]
		if !found && !rowless || !r.Caller.Domains.HoldUUID(row.DomainUUID) {
			return nil, fault.Errorf(fault.NotFound, "ids: there is no gateway %s", id)
		}
		row.UUID = id
		rows[i] = row
	}
	return rows, nil
}

// gatewayIDs are the uuids that the request has, each once.
func gatewayIDs(r *web.Request) (ids []string, err error) {
	named := map[string]bool{}
	for _, id := range params.Split(r.Params.Get("ids")) {
		id = strings.ToLower(id)
		if freeswitch.CheckUUID(id) != nil {
			return nil, fault.Invalid("ids", "holds what is no UUID; give the gateways' UUIDs, with commas between or as an array")
		}
		if !named[id] {
			named[id] = true
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, fault.Missing("ids")
	}
	return ids, nil
}
