package api

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

	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

const (
	// leastPatience is how long a small export may take where the caller does not wait for jobs.
	leastPatience = time.Second
	// maxRecordsBytes bounds the records inside an answer; what is larger is downloaded.
	maxRecordsBytes = 32 << 20
)

// exported is the documented answer, and beside it the file.
type exported struct {
	Status          string          `json:"status" enum:"success"`
	Message         string          `json:"message"`
	TotalRecords    int64           `json:"total_records"`
	DateRange       string          `json:"date_range"`
	ExportFormat    export.Format   `json:"export_format"`
	TimeZone        string          `json:"time_zone"`                                     // in which the dates were read
	JobID           string          `json:"job_id" format:"uuid"`                          // the export's job
	DownloadURL     string          `json:"download_url,omitempty"`                        // the file, without credentials, until download_expires
	DownloadExpires string          `json:"download_expires,omitempty" format:"date-time"` // when the link ends
	SHA256          string          `json:"sha256"`                                        // of the file, in hex
	Bytes           int64           `json:"bytes"`                                         // the file's size
	Records         json.RawMessage `json:"records,omitempty" items:"Record"`              // the rows, where they are few and the format is JSON
}

func (s *Server) exportEndpoints() []endpoint {
	return []endpoint{
		{
			id: "exportCDR", summary: "Export CDRs", methods: []string{"GET", "POST"}, path: "/app/xml_cdr/export_cdr.php",
			entry: signedIn, scopes: toExport, limit: limitExports, answer: s.exportCDR,
			params: slices.Concat(windowParams, []parameter{
				{name: "format", about: "The file's format; JSON if left out.", choices: namesOf(export.Formats())},
				{name: "columns", about: "Columns of v_xml_cdr, separated by commas."},
				{name: "tenant_domain", about: "The domain. A superadmin who leaves it out exports all."},
				{name: "domain_uuid", about: "The same by UUID.", kind: kindUUID},
			}, jobParams),
			replies: []reply{
				{
					status: 200, body: exported{}, file: true,
					about: "The export, or with Accept: text/csv, application/xml or application/octet-stream the file itself.",
				},
				notFinished,
			},
			faults: slices.Concat([]fault.Code{fault.MissingParameters, fault.NotFound, fault.Gone, fault.InsufficientStorage}, jobFaults),
		},
		{
			id: "downloadExport", summary: "Download an export's file", note: "A signed link needs no scope and no credentials.",
			methods: []string{"GET", "HEAD"}, path: "/v1/exports/:id/file", entry: signedInOrLink, answer: s.download,
			params: []parameter{
				{name: "expires", about: "Of a signed link."},
				{name: "signature", about: "Of a signed link, which needs no credentials."},
				{name: "Range", about: "bytes=N-: the rest of a download that broke off.", header: true},
			},
			replies: []reply{
				{status: 200, about: "The file.", file: true},
				{status: 206, about: "The range that was asked for.", file: true},
				{status: 304, about: "The file is the one whose ETag If-None-Match names."},
				{status: 416, about: "The file has no such range.", media: "text/plain"},
			},
			faults: slices.Concat([]fault.Code{fault.NotFound, fault.InvalidLink, fault.LinkExpired, fault.JobState, fault.Gone}, jobFaults),
		},
	}
}

// exportCDR exports CDRs: a small export is answered at once, a larger one is a job, which is waited
// for. Either way there is a file, and a job that tells of it.
func (s *Server) exportCDR(r *request) error {
	p, asked, err := r.exportOf()
	if err != nil {
		return err
	}
	patience, err := r.patience(s.settings.WaitDefault)
	if err != nil {
		return err
	}
	n := tasks.NewJob{
		Kind:          tasks.KindExport,
		DomainUUID:    p.DomainUUID,
		CreatedBy:     r.caller.ID,
		CreatedByName: r.caller.Name,
		Subject:       "export:" + p.DomainUUID,
		Params:        p,
	}
	if err := r.keys(&n); err != nil {
		return err
	}
	n.BodyHash = s.tasks.Keys().BodyHash(p.DomainUUID, p.DateStart, p.DateEnd, p.Start.String(), p.End.String(),
		p.TimeZone, string(p.Format), strings.Join(p.Columns, ","), n.ExternalID)
	began := time.Now()
	job, done, err := s.exportAtOnce(r, n, p, max(patience, leastPatience))
	if err != nil {
		return err
	}
	if !done {
		if job, err = r.submit(n); err != nil {
			return err
		}
	}
	r.domainUUID = p.DomainUUID
	r.changed("cdr.export", p.DateRange()+", job "+job.ID)
	if !done {
		if job, err = r.await(job, patience-time.Since(began)); err != nil {
			return err
		}
	}
	return r.answerExported(job, asked)
}

// exportAtOnce writes an export of up to SyncExportRows rows and records it as a finished job. done is
// false where the export has more rows or takes longer than the caller's patience, and where the
// request has a key: two of the same must meet in one job's row.
func (s *Server) exportAtOnce(r *request, n tasks.NewJob, p cdr.Request, patience time.Duration) (job tasks.Job, done bool, err error) {
	if n.IdempotencyKey != "" || n.ExternalID != "" {
		return tasks.Job{}, false, nil
	}
	ctx, cancel := context.WithTimeout(r.context(), patience)
	defer cancel()
	id, err := uuid.NewV7()
	if err != nil {
		return tasks.Job{}, false, fmt.Errorf("making a job id: %w", err)
	}
	file, err := s.o.Exporter.Write(ctx, id.String(), 1, p, int64(s.settings.SyncExportRows), cdr.Hooks{})
	outOfPatience := ctx.Err() != nil && r.context().Err() == nil
	if errors.Is(err, export.ErrTooManyRows) || err != nil && outOfPatience {
		return tasks.Job{}, false, nil
	}
	if err != nil {
		return tasks.Job{}, false, err
	}
	result, err := file.Commit(r.context())
	if err != nil {
		return tasks.Job{}, false, err
	}
	// If this fails nobody learns of the file, and it is deleted with the others when its time is up.
	job, err = s.tasks.Record(r.context(), id.String(), n, result)
	return job, err == nil, err
}

// answerExported answers as the job stands: with the file itself where that was asked for.
func (r *request) answerExported(job tasks.Job, asked fileAsked) error {
	if !job.State.Done() {
		return r.answerPending(job)
	}
	if err := endOf(job); err != nil {
		return err
	}
	result, err := exportResultOf(job)
	if err != nil {
		return err
	}
	if asked.file {
		return r.serveExport(job, result)
	}
	answer := exported{
		Status: "success", Message: "CDR export completed",
		TotalRecords: result.TotalRecords, DateRange: result.DateRange, ExportFormat: result.Format, TimeZone: result.TimeZone,
		JobID: job.ID, SHA256: result.SHA256, Bytes: result.Bytes,
	}
	answer.DownloadURL, answer.DownloadExpires = r.s.downloadLink(job, result)
	if answer.Records, err = r.records(job, result); err != nil {
		return err
	}
	r.answer(http.StatusOK, answer)
	return nil
}

// records is the content of a small JSON file, nil of any other and of one that was deleted.
func (r *request) records(job tasks.Job, result cdr.Result) (json.RawMessage, error) {
	if result.Format != export.JSON || result.TotalRecords > int64(r.s.settings.SyncExportRows) || result.Bytes > maxRecordsBytes {
		return nil, nil
	}
	file, _, err := r.s.o.Exporter.Open(r.context(), job.ID, result)
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

func exportResultOf(job tasks.Job) (cdr.Result, error) {
	var result cdr.Result
	if err := json.Unmarshal(job.Result, &result); err != nil {
		return result, fmt.Errorf("reading the result of job %s: %w", job.ID, err)
	}
	return result, nil
}
