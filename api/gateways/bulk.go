package gateways

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"trunkline/api/jobs"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/gateway/table"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// actionImport is what an import is called among bulk jobs.
const actionImport = "import"

func (s *Service) bulkEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "importGateways", Summary: "Make or change many gateways, by a file",
		Note: "The file is CSV, NDJSON or a JSON array, as the body or as a file of a form. Each row is what a provision request of these parameters would be. " +
			"All of it is checked before anything is written; errors lists what is wrong, with the line.",
		Methods: []string{"POST"}, Path: "/v1/gateways/bulk", Entry: web.SignedIn, Scope: token.ScopeProvision, Limit: web.LimitGateways,
		File: true, Answer: s.importFile, AtOnce: []web.AtOnce{web.AtOnceUploads, web.AtOnceJobs},
		Params: slices.Concat([]web.Param{
			{Name: "mode", About: "all: every row or none. each: whichever can be; the job ends partial if one cannot.", Choices: []string{gateway.ModeAll, gateway.ModeEach}},
			{Name: "dry_run", About: "true: nothing is written; the items say what would be.", Kind: web.KindFlag},
			{Name: "ignore_columns", About: "Columns to pass over, separated by commas."},
			{Name: "tenant_domain", About: "The domain of rows that name none, or global (superadmin). Left out: the caller's own."},
			{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
			{Name: "format", About: "What the file has to be. Left out, its first character tells.", Choices: []string{string(table.CSV), string(table.NDJSON), string(table.JSON)}},
		}, manyParams),
		Replies: []web.Reply{
			{Status: 200, About: "The job has ended: every row is as asked for, or in mode each those that could be (partial).", Body: jobs.Job{}},
			jobs.NotFinished,
		},
		Faults: slices.Concat([]fault.Code{fault.InvalidRows}, gatewayFaults, jobs.Faults),
	}
}

// importFile has a job make or change what the rows of a file say, and waits for it. What is wrong with any row is
// answered at once. While the file is read nothing is held that others wait for.
func (s *Service) importFile(r *web.Request) error {
	if err := noConditions(r); err != nil {
		return err
	}
	leave, err := r.Place(web.AtOnceUploads, r.Caller.Home.UUID)
	if err != nil {
		return err
	}
	defer leave()
	b := &bulk{most: s.settings.BulkErrors}
	err = r.File(int64(s.settings.BulkBytes), func(file io.Reader, media string) error { return s.readTable(b, file, media) })
	if err != nil {
		return err
	}
	job, err := s.jobOfFile(r, b)
	if err != nil {
		return err
	}
	return s.jobs.Do(r, job)
}

// jobOfFile is the job that does what the request wants of the file that was read.
func (s *Service) jobOfFile(r *web.Request, b *bulk) (job jobs.Asked, err error) {
	if err := b.readParams(r); err != nil {
		return job, err
	}
	domains, err := s.readRows(r, b)
	if err != nil {
		return job, err
	}
	if b.foreign() {
		r.Denied(fault.Forbidden)
	}
	job = jobs.Asked{
		NewJob: tasks.NewJob{Kind: tasks.KindBulk, Domains: domains, Subject: "bulk " + strings.Join(domains, ","), Params: b.params()},
		Body:   b.bodyParts(),
		Stands: func(job tasks.Job) error { return s.allStand(r.Context(), job) },
		Answer: func(job tasks.Job) error { return s.jobs.Answer(r, job) },
	}
	job.Fill = func(n *tasks.NewJob) error {
		if err := s.checkRows(r.Context(), b); err != nil {
			return err
		}
		n.Items, n.Urgent = b.items()
		return nil
	}
	if len(domains) == 1 {
		job.DomainUUID = domains[0]
	}
	if !b.dryRun {
		job.Action, job.What = "gateway.bulk", fmt.Sprintf("%d gateways by a file of %s", len(b.rows), b.file.Format)
	}
	return job, nil
}

// foreign reports whether a row is about a domain that is not the caller's.
func (b *bulk) foreign() bool {
	return slices.ContainsFunc(b.rows, func(one *row) bool {
		return slices.ContainsFunc(one.faults, func(f fault.Detail) bool { return f.Code == fault.Forbidden })
	})
}

// bulk is a file of gateways and what is to be done with it.
type bulk struct {
	mode   string
	dryRun bool
	media  string // its type, as it was sent
	file   table.File
	unread error // all that makes it unreadable, but for unknown columns
	rows   []*row
	most   int  // faults that are told
	whole  bool // a dry run has an item for each row, also if all of them are at fault
}

// row is one of a file's rows.
type row struct {
	number, line int
	given        params.Values
	controls     map[string]string // values that hold a control character, which are faults
	asked        asked             // as the worker resolves it again
	resolved     asked
	faults       []fault.Detail
}

// readTable reads the file's rows.
func (s *Service) readTable(b *bulk, file io.Reader, media string) error {
	if !slices.Contains(fileMedia, media) {
		return fault.Errorf(fault.InvalidRequest, "Content-Type: send text/csv, application/x-ndjson or application/json")
	}
	b.media = media
	b.file, b.unread = table.Read(file, s.tableOptions(), func(read table.Row) {
		b.rows = append(b.rows, &row{number: read.Number, line: read.Line, given: read.Values, controls: read.Controls, faults: read.Faults})
	})
	return nil
}

// readParams reads what is to be done with the file that was read, and refuses it if it could not be.
func (b *bulk) readParams(r *web.Request) error {
	if err := b.checkFormat(r.Params.Get("format")); err != nil {
		return err
	}
	ignored := map[string]bool{}
	for _, name := range params.Split(r.Params.Get("ignore_columns")) {
		ignored[bare(name)] = true
	}
	if err := b.unreadable(ignored); err != nil {
		return err
	}
	b.ignore(ignored)
	b.joinColumns()
	if b.mode = strings.ToLower(r.Params.Get("mode")); b.mode == "" {
		b.mode = gateway.ModeAll
	}
	if b.mode != gateway.ModeAll && b.mode != gateway.ModeEach {
		return fault.Invalid("mode", "write %s or %s", gateway.ModeAll, gateway.ModeEach)
	}
	var err error
	b.dryRun, err = r.Params.Flag("dry_run")
	return err
}

// fileMedia are the types of a file that may be one of gateways; what it is its first character tells. Browsers and
// PHP have names of their own for CSV.
var fileMedia = []string{
	"", "text/csv", "application/csv", "text/plain", "text/tab-separated-values", "application/vnd.ms-excel", "application/octet-stream",
	"application/json", "text/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/json-lines",
}

func (s *Service) tableOptions() table.Options {
	o := table.Options{
		Limits: table.Limits{
			Rows: s.settings.BulkRows, Bytes: int64(s.settings.BulkBytes), Cell: int(s.settings.MaxParamBytes), Faults: s.settings.BulkErrors,
		},
		Field: columnField, Skip: isResult, Key: keyFields,
	}
	if s.settings.CSVFormulaGuard {
		o.Disarm = isOurs
	}
	return o
}

// checkFormat refuses a file that is not what the request says.
func (b *bulk) checkFormat(format string) error {
	known := []string{string(table.CSV), string(table.NDJSON), string(table.JSON)}
	is := string(b.file.Format)
	switch {
	case format != "" && !slices.Contains(known, format):
		return fault.Invalid("format", "write one of %s, or leave it out", strings.Join(known, ", "))
	case format != "" && is != "" && is != format:
		return fault.Invalid("format", "is %s, and the file begins as %s does; leave format out", format, is)
	case is == string(table.CSV) && strings.Contains(b.media, "json"):
		return fault.Errorf(fault.InvalidRequest, "the file is not JSON: it begins with neither [ nor {; send CSV as text/csv")
	}
	return nil
}

// unreadable is all that makes the file unreadable, unknown columns among it; nil: it can be read.
func (b *bulk) unreadable(ignored map[string]bool) error {
	var details []fault.Detail
	total := 0
	for _, u := range b.file.Unknown {
		if ignored[bare(u.Name)] {
			continue
		}
		if total++; len(details) < b.most {
			details = append(details, fault.Detail{Line: u.Line, Row: u.Row, Field: u.Name, Code: fault.InvalidRequest, Message: fmt.Sprintf(
				"%q is no column of a gateway; name it as provision's parameters are named, or list it in ignore_columns", u.Name)})
		}
	}
	refused, told := b.unread.(*fault.Error)
	switch {
	case b.unread != nil && (!told || len(refused.Details) == 0 || total == 0):
		return b.unread
	case b.unread != nil:
		details = append(details, refused.Details[:min(len(refused.Details), b.most-len(details))]...)
		total += refused.DetailsTotal
	case total == 0:
		return nil
	}
	return refusal(fault.InvalidRequest, details, total)
}

// refusal is the fault of a file in which all this is wrong.
func refusal(code fault.Code, details []fault.Detail, total int) error {
	err := fault.Errorf(code, "%s", table.Sum(details, total))
	err.Details, err.DetailsTotal = details, total
	return err
}

// ignore drops the columns that are known and to be passed over all the same.
func (b *bulk) ignore(ignored map[string]bool) {
	is := func(field, name string) bool { return ignored[bare(name)] || ignored[bare(field)] }
	dropped := map[string]bool{}
	b.file.Columns = slices.DeleteFunc(b.file.Columns, func(c table.Column) bool {
		drop := is(c.Field, c.Name)
		dropped[c.Field] = dropped[c.Field] || drop
		return drop
	})
	if !slices.Contains(slices.Collect(maps.Values(dropped)), true) {
		return
	}
	for _, one := range b.rows {
		maps.DeleteFunc(one.given, func(field, _ string) bool { return dropped[field] })
		one.faults = slices.DeleteFunc(one.faults, func(f fault.Detail) bool { return dropped[f.Field] })
	}
}

// joinColumns makes one column of those that hold the same, as those do by which the objects of a file call it
// differently: what it is called first.
func (b *bulk) joinColumns() {
	seen := map[string]bool{}
	b.file.Columns = slices.DeleteFunc(b.file.Columns, func(c table.Column) bool {
		again := seen[c.Field]
		seen[c.Field] = true
		return again
	})
}

// params are the job's.
func (b *bulk) params() gateway.Bulk {
	file := gateway.BulkFile{Format: string(b.file.Format), Delimiter: b.file.Delimiter}
	for _, c := range b.file.Columns {
		file.Header = append(file.Header, c.Name)
	}
	return gateway.Bulk{Mode: b.mode, Action: actionImport, DryRun: b.dryRun, File: &file}
}

// bodyParts are what tells whether two requests ask for the same, whatever their files look like.
func (b *bulk) bodyParts() []string {
	parts := []string{"bulk", b.mode, fmt.Sprint(b.dryRun)}
	for _, one := range b.rows {
		own := append(one.asked.bodyParts(), "gateway_uuid", one.given.Get("gateway_uuid"))
		parts = append(parts, "row", fmt.Sprint(len(own)))
		parts = append(parts, own...)
		for _, f := range one.faults {
			parts = append(parts, "fault", f.Message)
		}
	}
	return parts
}

// items are the rows as the job's; urgent if each stops its gateway's calls.
func (b *bulk) items() (items []tasks.NewItem, urgent bool) {
	urgent = true
	for _, one := range b.rows {
		asked := one.asked.params
		asked.NamesPassword = one.asked.password != nil
		item := tasks.NewItem{Params: gateway.BulkItem{Request: asked, Line: one.line, Cells: b.cells(one)}}
		switch {
		case len(one.faults) > 0:
			item.Fault = one.fault()
		default:
			item.Secrets = gateway.Secrets{Password: one.asked.password}
			if !b.dryRun {
				item.OrderKeys = orderKeys(one.resolved.params)
			}
			urgent = urgent && one.asked.params.Stops()
		}
		items = append(items, item)
	}
	return items, urgent
}

// cells are the row as it was written, secrets left empty.
func (b *bulk) cells(one *row) []string {
	cells := make([]string, len(b.file.Columns))
	for i, c := range b.file.Columns {
		if !params.IsSecret(c.Field) {
			cells[i] = one.given[c.Field]
		}
	}
	return cells
}

// fault is all that is wrong with the row.
func (one *row) fault() *fault.Error {
	texts := make([]string, len(one.faults))
	for i, f := range one.faults {
		texts[i] = f.Message
	}
	return &fault.Error{Code: one.faults[0].Code, Message: strings.Join(texts, "; ")}
}
