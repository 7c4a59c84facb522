package gateways

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/gateway/table"
	"trunkline/internal/upload"
	"trunkline/tasks"
)

// An import in two steps, for people: a file is sent and kept, a dry run says what it would do, and then the very bytes
// that were sent are imported.

// sentOptions are the parameters of an import that are kept with its file.
var sentOptions = []string{"tenant_domain", "ignore_columns"}

// SentImport is a file of gateways that was sent, with what an import of it would do.
type SentImport struct {
	upload.Kept
	Check  tasks.Job      // the dry run
	Counts map[string]int // of its rows, once it has ended: by action, failed of those that cannot be done, and total
	Rows   []SentRow      // a page of them
	Next   int            // the after of the next page; 0 on the last one
}

// SentRow is what would become of one row.
type SentRow struct {
	Item
	Columns []string // of one that cannot be done those to blame, as the file calls them
}

// SendImport has a dry run say what an import of the request's file would do, and keeps the file. It returns its id.
func (s *Service) SendImport(r *web.Request) (id string, err error) {
	leave, err := r.Place(web.AtOnceUploads, r.Caller.Home.UUID)
	if err != nil {
		return "", err
	}
	defer leave()
	sent := upload.File{Options: map[string]string{}}
	err = r.File(int64(s.settings.BulkBytes), func(file io.Reader, media string) (err error) {
		sent.Media = media
		if sent.Content, err = io.ReadAll(io.LimitReader(file, int64(s.settings.BulkBytes)+1)); err != nil {
			return fault.Errorf(fault.InvalidRequest, "the file did not arrive whole; send it again: %w", err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if len(sent.Content) == 0 {
		return "", fault.Errorf(fault.MissingParameters, "%s: is empty, or none was chosen; choose a file", params.FileField)
	}
	for _, name := range sentOptions {
		if value := r.Params.Get(name); value != "" {
			sent.Options[name] = value
		}
	}
	job, err := s.doSent(r, sent, params.Values{"mode": gateway.ModeEach, "dry_run": "true"}, "")
	if err != nil {
		return "", err
	}
	kept := upload.New{SessionID: r.Session.ID, CheckedBy: job.ID, File: sent}
	if d := r.Caller.Domains; !d.All && len(d.List) == 1 {
		kept.DomainUUID = d.List[0].UUID
	}
	return s.uploads.Keep(r.Context(), kept)
}

// doSent has a job do with the file what its options and the parameters say, and does not wait for it. The same key gets
// the same job.
func (s *Service) doSent(r *web.Request, sent upload.File, also params.Values, key string) (job tasks.Job, err error) {
	b := &bulk{most: s.settings.BulkErrors, whole: true}
	if err := s.readTable(b, bytes.NewReader(sent.Content), sent.Media); err != nil {
		return job, err
	}
	r.Params = also
	for name, value := range sent.Options {
		r.Params[name] = value
	}
	asked, err := s.jobOfFile(r, b)
	if err != nil {
		return job, err
	}
	asked.IdempotencyKey = key
	job, _, err = s.jobs.Start(r, asked)
	return job, err
}

// SentImports are the files of the request's session, the newest first.
func (s *Service) SentImports(r *web.Request) ([]upload.Kept, error) {
	return s.uploads.List(r.Context(), r.Session.ID)
}

// ofSession words that the session has no such file.
func ofSession(err error) error {
	if !errors.Is(err, upload.ErrNone) {
		return err
	}
	return fault.Errorf(fault.NotFound, "this file is not kept, or not any more: it is for %d minutes, and for your session alone; choose it again", int(upload.Life.Minutes()))
}

// ApplyImport has a job import the path's file as it was sent, and does not wait for it. Of one that was applied it is the
// same job again.
func (s *Service) ApplyImport(r *web.Request) (job tasks.Job, err error) {
	leave, err := r.Place(web.AtOnceUploads, r.Caller.Home.UUID)
	if err != nil {
		return job, err
	}
	defer leave()
	kept, sent, err := s.uploads.Open(r.Context(), r.Session.ID, r.Path("id"))
	if err != nil {
		return job, ofSession(err)
	}
	if kept.AppliedBy != "" {
		return s.tasks.Get(r.Context(), kept.AppliedBy, r.Caller.Domains)
	}
	job, err = s.doSent(r, sent, params.Values{"mode": r.Params.Get("mode")}, "console-import/"+kept.ID)
	if err != nil {
		return job, err
	}
	return job, s.uploads.Applied(r.Context(), r.Session.ID, kept.ID, job.ID)
}

// DropImport forgets the path's file.
func (s *Service) DropImport(r *web.Request) error {
	return ofSession(s.uploads.Drop(r.Context(), r.Session.ID, r.Path("id")))
}

// SentFaults are the rows of a file that cannot be done.
const SentFaults = "faults"

// SentImport is the path's file with a page of the rows that show says: SentFaults, those of an action, or all.
func (s *Service) SentImport(r *web.Request, show string, after, limit int) (shown SentImport, err error) {
	f := tasks.ItemFilter{After: after, Limit: limit}
	switch {
	case show == SentFaults:
		f.State = tasks.ItemFailed
	case slices.Contains([]string{gateway.ToAdd, gateway.ToChange, gateway.Unchanged}, show):
		f.State, f.Outcome = tasks.ItemSucceeded, show
	case show != "":
		return shown, fault.Invalid("show", "write one of %s, %s, %s and %s, or leave it out", SentFaults, gateway.ToAdd, gateway.ToChange, gateway.Unchanged)
	}
	if shown.Kept, err = s.uploads.Find(r.Context(), r.Session.ID, r.Path("id")); err != nil {
		return shown, ofSession(err)
	}
	if shown.Check, err = s.tasks.Get(r.Context(), shown.CheckedBy, r.Caller.Domains); err != nil || shown.Check.Result == nil {
		return shown, err
	}
	var result gateway.BulkResult
	if err := json.Unmarshal(shown.Check.Result, &result); err != nil {
		return shown, fmt.Errorf("reading the result of job %s: %w", shown.CheckedBy, err)
	}
	shown.Counts = result.Counts
	shown.Counts[string(tasks.ItemFailed)] += result.Counts[gateway.InConflict]
	items, next, err := s.tasks.Items(r.Context(), shown.Check, f)
	if err != nil {
		return shown, err
	}
	of, err := bulkOf(shown.Check)
	if err != nil {
		return shown, err
	}
	var header []string
	if of.File != nil {
		header = of.File.Header
	}
	for _, item := range items {
		row, asked := SentRow{}, gateway.BulkItem{}
		if row.Item, asked, err = shownItem(shown.Check, of, item); err != nil {
			return shown, err
		}
		if row.GatewayName == "" { // the row was at fault before it was read as far as that
			row.GatewayName = cellOf("gateway_name", header, asked.Cells)
		}
		if row.Error != nil {
			row.Columns = blamed(row.Error.Message, header)
		}
		shown.Rows = append(shown.Rows, row)
	}
	shown.Next = next
	return shown, nil
}

// cellOf is what a row of a file has for the parameter.
func cellOf(parameter string, header, cells []string) string {
	for i, name := range header {
		if i < len(cells) && columnField(table.Tidy(name)) == parameter {
			return cells[i]
		}
	}
	return ""
}

// blames are the parameters that one fault of a row begins with, or ends with if these are missing.
var blames = regexp.MustCompile(`^([a-z_]+): |: ([a-z_]+(?:, [a-z_]+)*)$`)

// blamed are the columns that the faults of a row name, as its file calls them.
func blamed(message string, header []string) (columns []string) {
	names := map[string]string{}
	for _, name := range header {
		names[columnField(table.Tidy(name))] = name
	}
	add := func(parameter string) {
		if columnField(parameter) != parameter {
			return
		}
		name := parameter
		if called := names[parameter]; called != "" {
			name = called
		}
		if !slices.Contains(columns, name) {
			columns = append(columns, name)
		}
	}
	for one := range strings.SplitSeq(message, "; ") {
		for _, match := range blames.FindAllStringSubmatch(one, -1) {
			for parameter := range strings.SplitSeq(match[1]+match[2], ", ") {
				add(parameter)
			}
		}
		if names, missing := strings.CutPrefix(one, "missing: "); missing {
			for parameter := range strings.SplitSeq(names, ", ") {
				add(parameter)
			}
		}
	}
	return columns
}

// templateColumns are those of the file that an import may begin with.
var templateColumns = []string{
	"gateway_name", "gateway_domain", "gateway_username", "gateway_password", "register", "profile", "transport", "expire_seconds", "channels",
	"codec_prefs", "enabled", "external_id", "description", "tenant_domain",
}

// ImportTemplate answers with a file of the columns that most gateways need, without rows.
func (s *Service) ImportTemplate(r *web.Request) error {
	w := table.NewCSVWriter(r.Attach("text/csv; charset=utf-8", "gateways.csv"), "", s.settings.CSVFormulaGuard)
	if err := w.Row(templateColumns); err != nil {
		return err
	}
	return w.Flush()
}

// ImportColumns are the parameters that columns of a file may be named by.
func ImportColumns() []string {
	names := slices.Clone(rowParams)
	for _, f := range fields {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return names
}
