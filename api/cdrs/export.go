// Package cdrs is call detail records as callers know them: exported, downloaded, and summed up for
// billing.
package cdrs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/cache"
	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/token"
	"trunkline/tasks"
)

const (
	// leastPatience is how long a small export may take if the caller does not wait for jobs.
	leastPatience = time.Second
	// maxRecordsBytes bounds the records inside an answer; what is larger is downloaded.
	maxRecordsBytes = 32 << 20
)

// exported is the documented answer, and beside it the file.
type exported struct {
	Status          string        `json:"status" enum:"success"`
	Message         string        `json:"message"`
	TotalRecords    int64         `json:"total_records"`
	DateRange       string        `json:"date_range"`
	ExportFormat    export.Format `json:"export_format"`
	TimeZone        string        `json:"time_zone"`                                     // in which the dates were read
	JobID           string        `json:"job_id" format:"uuid"`                          // the export's job
	DownloadURL     string        `json:"download_url,omitempty"`                        // the file, without credentials, until download_expires
	DownloadExpires string        `json:"download_expires,omitempty" format:"date-time"` // when the link ends
	SHA256          string        `json:"sha256"`                                        // of the file, in hex
	Bytes           int64         `json:"bytes"`                                         // the file's size
	// Compression is how the file is packed; absent: not at all.
	Compression export.Compression `json:"compression,omitempty" enum:"gzip,zstd"`
	Records     json.RawMessage    `json:"records,omitempty" items:"Record"` // the rows, if they are few and the format is JSON
	web.Ignoring
}

// Service answers for CDRs.
type Service struct {
	settings config.Settings
	db       *fusionpbx.DB
	exporter cdr.Exporter
	tasks    *tasks.Client
	jobs     *jobs.Service

	destinations *destinations.Store
	outbox       *outbox.Box

	downloads *slots
	figures   *cache.Cache[Figures]
}

// New returns the service of the PBX's CDRs; exports of many are jobs.
func New(settings config.Settings, exporter cdr.Exporter, t *tasks.Client, j *jobs.Service, d *destinations.Store, o *outbox.Box) *Service {
	return &Service{
		settings: settings, db: exporter.PBX.FusionPBX, exporter: exporter, tasks: t, jobs: j, destinations: d, outbox: o, downloads: newSlots(settings.Downloads), figures: newFigures(),
	}
}

// windowParams are the span that CDRs are asked for of.
var windowParams = []web.Param{
	{Name: "date_start", About: "The first day, or moment.", Required: true},
	{Name: "date_end", About: "The last day, or moment: inclusive.", Required: true},
	zoneParam,
}

// exportTenantParams are whose CDRs an export has.
var exportTenantParams = []web.Param{
	{Name: "tenant_domain", About: "The domain. A superadmin who leaves it out exports all."},
	{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
}

var zoneParam = web.Param{Name: "time_zone", About: "In which the dates are read; left out: the domain's."}

// Endpoints are those of exports and of usage.
func (s *Service) Endpoints() []web.Endpoint {
	return append([]web.Endpoint{
		{
			ID: "exportCDR", Summary: "Export CDRs", Methods: []string{"GET", "POST"}, Path: "/app/xml_cdr/export_cdr.php",
			Entry: web.SignedIn, Scope: token.ScopeExport, Limit: web.LimitExports, Changes: true, Selects: true, Answer: s.export,
			AtOnce: []web.AtOnce{web.AtOnceReads, web.AtOnceDownloads},
			Params: slices.Concat(windowParams, exportTenantParams, ContentParams(), deliverParams, jobs.CallbackParams, jobs.Params),
			Replies: []web.Reply{
				{
					Status: 200, Body: exported{}, File: true,
					About: "The export, or the file itself if Accept names its media type or " + anyFormat + "; with the Content-Encoding that Accept-Encoding names.",
				},
				jobs.NotFinished,
			},
			Faults: slices.Concat([]fault.Code{fault.MissingParameters, fault.NotFound, fault.Conflict, fault.Gone, fault.InsufficientStorage}, jobs.Faults),
		},
		{
			ID: "downloadExport", Summary: "Download an export's file", Note: "A signed link needs no scope and no credentials.",
			Methods: []string{"GET", "HEAD"}, Path: "/v1/exports/:id/file", Entry: web.SignedInOrLink, Answer: s.download,
			AtOnce: []web.AtOnce{web.AtOnceDownloads},
			Params: []web.Param{
				{Name: "by", About: "Of a signed link: who was given it."},
				{Name: "expires", About: "Of a signed link."},
				{Name: "signature", About: "Of a signed link, which needs no credentials."},
				{Name: "Range", About: "bytes=N-: the rest of a download that broke off.", Header: true},
				{Name: "If-Range", About: "The ETag of the file that Range is about; of another one all of it is sent.", Header: true},
				{Name: "If-None-Match", About: "The ETag of a file that need not be sent again.", Header: true},
			},
			Replies: []web.Reply{
				{Status: 200, About: "The file.", File: true},
				{Status: 206, About: "The range that was asked for.", File: true},
				{Status: 302, About: "The file is in a bucket, and is got there: Location is a link that lives a minute (TRUNKLINE_EXPORT_STORE_REDIRECT).", Location: true},
				{Status: 304, About: "The file is the one whose ETag If-None-Match names."},
				{Status: 416, About: "The file has no such range.", Media: []string{"text/plain"}},
			},
			Faults: slices.Concat([]fault.Code{fault.NotFound, fault.InvalidLink, fault.LinkExpired, fault.JobState, fault.Gone}, jobs.Faults),
		},
		{
			ID: "getManifest", Summary: "Show what an export's file holds", Note: "The manifest that stands beside the file, without a link to it.",
			Methods: []string{"GET"}, Path: "/v1/exports/:id/manifest", Entry: web.SignedIn, Scope: token.ScopeExport, Answer: web.JSON(http.StatusOK, s.Manifest),
			Replies: []web.Reply{{Status: 200, About: "The manifest.", Body: cdr.Manifest{}}},
			Faults:  slices.Concat([]fault.Code{fault.NotFound, fault.JobState, fault.Gone}, jobs.Faults),
		},
	}, slices.Concat(s.usageEndpoints(), s.summaryEndpoints(), s.estimateEndpoints(), s.listEndpoints())...)
}

// export exports CDRs: a small export is answered at once, a larger one is a job, which is waited for.
// Either way there is a file, and a job that tells of it.
func (s *Service) export(r *web.Request) error {
	p, file, err := s.requestOf(r)
	if err != nil {
		return err
	}
	orders, err := s.ordersOf(r, p)
	if err != nil {
		return err
	}
	asked := s.asked(r, p, orders)
	asked.AtOnce = func(n tasks.NewJob, within time.Duration) (tasks.Job, bool, error) {
		if len(orders) > 0 { // which the end of a job makes
			return tasks.Job{}, false, nil
		}
		return s.atOnce(r, n, p, max(within, leastPatience))
	}
	asked.Answer = func(job tasks.Job) error { return s.answer(r, job, file) }
	return s.jobs.Do(r, asked)
}

// StartExport has a job export CDRs, and waits for nothing.
func (s *Service) StartExport(r *web.Request) (tasks.Job, error) {
	p, _, err := s.requestOf(r)
	if err != nil {
		return tasks.Job{}, err
	}
	orders, err := s.ordersOf(r, p)
	if err != nil {
		return tasks.Job{}, err
	}
	job, _, err := s.jobs.Start(r, s.asked(r, p, orders))
	return job, err
}

// asked is the export's job, as a request asks for it.
func (s *Service) asked(r *web.Request, p cdr.Request, orders []delivery.Order) jobs.Asked {
	return jobs.Asked{
		NewJob: tasks.NewJob{
			Kind: tasks.KindExport, DomainUUID: p.DomainUUID, Subject: "export:" + p.DomainUUID, Params: outbox.ExportParams{Request: p, Deliver: orders},
		},
		Body: append(bodyParts(r, p), orderParts(orders)...),
		Check: func() (answered bool, err error) {
			return false, s.tasks.CheckKept(r.Context(), tasks.KindExport, p.DomainUUID)
		},
		Action: "cdr.export", What: p.DateRange(),
	}
}

// bodyParts tell whether two requests ask for the same.
func bodyParts(r *web.Request, p cdr.Request) []string {
	parts := []string{
		p.DomainUUID, p.DateStart, p.DateEnd, p.Start.String(), p.End.String(),
		p.TimeZone, string(p.Format), strings.Join(p.Columns, ","), r.Params.Get("external_id"),
	}
	if len(p.Headers) > 0 {
		parts = append(parts, append([]string{"headers"}, p.Headers...)...)
	}
	if filter, _ := json.Marshal(p.Filter); string(filter) != "{}" { // it always can be
		parts = append(parts, "filter", string(filter))
	}
	if p.Layout != (export.Layout{}) {
		layout, _ := json.Marshal(p.Layout) // it always can be
		parts = append(parts, "layout", string(layout))
	}
	if p.Guard != "" {
		parts = append(parts, "guard", p.Guard)
	}
	if p.Compression != export.None {
		parts = append(parts, "compression", string(p.Compression))
	}
	return parts
}

// atOnce writes an export of up to SyncExportRows rows and records it as a finished job. done is false if
// the export has more rows or takes longer than the caller's patience, if others of its domain read as many
// already, and if the request has a key: two of the same must meet in one job's row.
func (s *Service) atOnce(r *web.Request, n tasks.NewJob, p cdr.Request, patience time.Duration) (job tasks.Job, done bool, err error) {
	if n.IdempotencyKey != "" || n.ExternalID != "" || s.settings.SyncExportRows == 0 {
		return tasks.Job{}, false, nil
	}
	caller := r.Context()
	ctx, cancel := context.WithTimeout(caller, patience)
	defer cancel()
	leave, err := r.Place(web.AtOnceReads, p.DomainUUID)
	if fault.Is(err, fault.RateLimited) || fault.Is(err, fault.Unavailable) {
		return tasks.Job{}, false, nil
	}
	if err != nil {
		return tasks.Job{}, false, err
	}
	defer leave()
	id, err := uuid.NewV7()
	if err != nil {
		return tasks.Job{}, false, fmt.Errorf("making a job id: %w", err)
	}
	file, err := s.exporter.Write(ctx, id.String(), 1, p, int64(s.settings.SyncExportRows), cdr.Hooks{})
	outOfPatience := ctx.Err() != nil && caller.Err() == nil
	// A store that is away is waited for by a job.
	if errors.Is(err, export.ErrTooManyRows) || err != nil && outOfPatience || fault.Passes(err) {
		return tasks.Job{}, false, nil
	}
	if err != nil {
		return tasks.Job{}, false, err
	}
	away := &fault.Error{Code: fault.Unavailable, Passes: true, Message: "the export store did not take the file in time"}
	naming, stop := context.WithTimeoutCause(caller, patience, away)
	defer stop()
	result, err := file.Commit(naming)
	if err != nil {
		left := file.Discard()
		if fault.Passes(err) {
			err = nil
		}
		return tasks.Job{}, false, errors.Join(err, left)
	}
	// If this fails nobody learns of the file, and it is deleted with the others when its time is up.
	job, err = s.tasks.Record(caller, id.String(), n, result)
	return job, err == nil, err
}

// answer answers for a succeeded export: with the file itself if that was asked for.
func (s *Service) answer(r *web.Request, job tasks.Job, asked fileAsked) error {
	result, err := jobs.ResultOf[cdr.Result](job)
	if err != nil {
		return err
	}
	if asked.file {
		return s.serve(r, withoutConditions(r.HTTP()), job, result, acceptedCoding(r, result))
	}
	answer := exported{
		Status: "success", Message: "CDR export completed",
		TotalRecords: result.TotalRecords, DateRange: result.DateRange, ExportFormat: result.Format, TimeZone: result.TimeZone,
		JobID: job.ID, SHA256: result.SHA256, Bytes: result.Bytes, Compression: result.Compression, Ignoring: r.Ignoring,
	}
	answer.DownloadURL, answer.DownloadExpires = s.downloadLink(r.Caller, job, result)
	if answer.Records, err = s.records(r, job, result); err != nil {
		return err
	}
	r.Answer(http.StatusOK, answer)
	return nil
}

// withoutConditions is the request without what it asks for of a file that it has seen: the one that a call has made is new,
// and sent whole.
func withoutConditions(r *http.Request) *http.Request {
	whole := r.Clone(r.Context())
	for _, header := range conditions {
		whole.Header.Del(header)
	}
	return whole
}

// conditions are the headers of requests for a part of a file, or for one that is the same or another.
var conditions = []string{"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}

func conditional(r *http.Request) bool {
	return slices.ContainsFunc(conditions, func(header string) bool { return r.Header.Get(header) != "" })
}

// records is the content of a small JSON file, nil of any other and of one that was deleted.
func (s *Service) records(r *web.Request, job tasks.Job, result cdr.Result) (json.RawMessage, error) {
	if result.Format != export.JSON || result.Compression != export.None || result.TotalRecords > int64(s.settings.SyncExportRows) || result.Bytes > maxRecordsBytes {
		return nil, nil
	}
	file, err := s.exporter.Open(r.Context(), job.ID, result)
	if fault.Is(err, fault.Gone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("reading the export of job %s: %w", job.ID, err)
	}
	return content, nil
}
