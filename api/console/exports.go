package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"trunkline/api/cdrs"
	"trunkline/api/deliveries"
	"trunkline/api/jobs"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/fault"
	"trunkline/internal/token"
	"trunkline/tasks"
)

var exportsPage = page{
	path: "/exports", title: "Exports", template: "exports", scope: token.ScopeExport, live: true, show: (*Service).exports,
	params: []web.Param{
		{Name: "state"}, {Name: "tenant_domain"}, {Name: "who"}, {Name: "created_after"}, {Name: "created_before"}, {Name: "after"}, {Name: "limit"},
	},
}

var exportPage = page{
	path: "/exports/:id", title: "Export", template: "export", unlisted: true, scope: token.ScopeExport, live: true, show: (*Service).export,
	actions: []action{{path: "/exports/:id/link", scope: token.ScopeExport, answer: (*Service).linkExport}},
}

// deliveryPage is one delivery with what was tried.
var deliveryPage = page{
	path: "/deliveries/:id", title: "Delivery", template: "delivery", unlisted: true, scope: token.ScopeExport, live: true, show: (*Service).delivery,
	actions: []action{{path: "/deliveries/:id/retry", scope: token.ScopeExport, do: (*Service).retryDelivery}},
}

// exportFileEndpoint is where a browser gets an export's file, by its session.
func (s *Service) exportFileEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "consoleExportFile", Methods: []string{"GET"}, Path: home + "/exports/:id/file", Entry: web.Console, Scope: token.ScopeExport,
		AtOnce: []web.AtOnce{web.AtOnceDownloads}, Failed: s.failed, NoSession: toSignIn, Answer: s.CDRs.Download,
	}
}

// exportList is a page of the list of exports.
type exportList struct {
	States   []tally
	Among    int    // the figures are those of so many newest; 0: they are exact
	From, To string // the time shown, as fields have it
	Filtered bool   // something is asked for
	Exports  []exportView
	Pager    pager
}

// exportView is an export with what was asked for and what came of it.
type exportView struct {
	jobs.Job
	Asked      outbox.ExportParams
	File       *cdrs.ExportResult // nil: there is none yet, or it has failed
	Gone       bool               // its file's time is up
	Deliveries outbox.Standing
}

// exportOf is an export's job as pages show it.
func exportOf(job jobs.Job) (exportView, error) {
	v := exportView{Job: job}
	if err := json.Unmarshal(job.Parameters, &v.Asked); err != nil {
		return v, fmt.Errorf("reading the parameters of job %s: %w", job.JobID, err)
	}
	if file, is := job.Result.(cdrs.ExportResult); is {
		v.File, v.Gone = &file, !time.Now().Before(file.ExpiresAt)
		for _, d := range file.Deliveries {
			v.Deliveries = v.Deliveries.Plus(outbox.StandingOf(d.State))
		}
	}
	return v, nil
}

func (s *Service) exports(r *web.Request) (any, error) {
	asked, err := zoned(r, "created_after", "created_before")
	if err != nil {
		return nil, err
	}
	asked.Params["kind"] = string(tasks.KindExport)
	found, err := s.Jobs.List(asked)
	if err != nil {
		return nil, err
	}
	counts, among, err := s.statesOf(r, asked)
	if err != nil {
		return nil, err
	}
	list := exportList{
		States: counts, Among: among, From: fieldIn(r, "created_after"), To: fieldIn(r, "created_before"), Filtered: filtered(r), Pager: newPager(r, found.Next),
	}
	for _, job := range found.Jobs {
		view, err := exportOf(job)
		if err != nil {
			return nil, err
		}
		list.Exports = append(list.Exports, view)
	}
	return list, nil
}

// exportDetail is one export with where its file is brought and what that holds.
type exportDetail struct {
	exportView
	Remedy    string
	Brought   []deliveries.Delivery
	Holds     *manifest
	NoHolding string // why it is not known what the file holds
}

func (s *Service) export(r *web.Request) (any, error) {
	job, err := s.Jobs.Shown(r)
	if err != nil {
		return nil, err
	}
	if job.Kind != tasks.KindExport {
		return nil, fault.Errorf(fault.NotFound, "there is no such export")
	}
	d := exportDetail{}
	if d.exportView, err = exportOf(job); err != nil {
		return nil, err
	}
	if job.Error != nil {
		d.Remedy = jobRemedies[job.Error.Code]
	}
	if len(d.Asked.Deliver) > 0 {
		found, err := s.Deliveries.Deliveries(r.With(params.Values{"export_job": job.JobID}))
		if err != nil {
			return nil, err
		}
		d.Brought = found.Deliveries
	}
	if d.File == nil || d.Gone || wantsEvents(r) { // it stays as it is, and is no live part of the page
		return d, nil
	}
	holds, err := s.CDRs.Manifest(r)
	if err != nil {
		d.NoHolding = r.Words(err)
		return d, nil
	}
	in := manifestIn(holds)
	d.Holds = &in
	return d, nil
}

// madeLink is a link to an export's file that is shown this once.
type madeLink struct {
	ID, URL string
	Expires time.Time
}

func (s *Service) linkExport(r *web.Request) (shown, error) {
	made, err := s.CDRs.Link(r)
	if err != nil {
		return shown{}, err
	}
	until, err := time.Parse(time.RFC3339, made.Expires)
	return shown{http.StatusOK, "exportlink", "The link to the file", madeLink{r.Path("id"), made.URL, until}}, err
}

func (s *Service) delivery(r *web.Request) (any, error) { return s.Deliveries.Delivery(r) }

func (s *Service) retryDelivery(r *web.Request) (next string, err error) {
	d, err := s.Deliveries.RetryDelivery(r)
	return "/deliveries/" + d.ID, err
}
