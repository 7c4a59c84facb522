package console

import (
	"math"
	"slices"
	"strconv"

	"trunkline/api/gateways"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/token"
	"trunkline/internal/upload"
	"trunkline/tasks"
)

var importPage = page{
	path: "/gateways/import", title: "Import gateways", template: "import", unlisted: true, scope: token.ScopeProvision, show: (*Service).importForm,
	actions: []action{{
		path: "/gateways/import", scope: token.ScopeProvision, file: true, atOnce: []web.AtOnce{web.AtOnceUploads, web.AtOnceJobs},
		params: []web.Param{{Name: "tenant_domain"}, {Name: "ignore_columns"}}, do: (*Service).sendImport, again: (*Service).importAgain,
	}},
}

// sentPage is a file that was sent, with what an import of it would do.
var sentPage = page{
	path: "/gateways/import/:id", title: "What the file would do", template: "sent", unlisted: true, scope: token.ScopeProvision, live: true, show: (*Service).sent,
	params: []web.Param{{Name: "show"}, {Name: "after", Kind: web.KindNumber}},
	actions: []action{
		{
			path: "/gateways/import/:id/apply", scope: token.ScopeProvision, atOnce: []web.AtOnce{web.AtOnceUploads, web.AtOnceJobs},
			params: []web.Param{{Name: "mode"}}, do: (*Service).applyImport, again: (*Service).sentAgain,
		},
		{path: "/gateways/import/:id/drop", scope: token.ScopeProvision, do: (*Service).dropImport},
	},
}

const (
	// sentShown is how many rows of a file a page has at most.
	sentShown = 100
	// changesShown is how many changed fields of a row a page has at most, and valueShown how much of each value, in
	// characters.
	changesShown, valueShown = 12, 80
)

// importing is the page where a file is chosen.
type importing struct {
	Form    form
	Details []fault.Detail // the first of what is wrong with the file
	Total   int            // how much that is
	Rows    int            // that a file may have
	Bytes   string         // and how large it may be
	Columns []string
	Sent    []upload.Kept // by the same session
}

func (s *Service) importForm(r *web.Request) (any, error) { return s.importing(r) }

func (s *Service) importing(r *web.Request) (importing, error) {
	sent, err := s.Gateways.SentImports(r)
	f := []field{{Name: "ignore_columns", Label: "Columns to pass over", About: "With commas between; may be empty."}}
	if d := r.Caller.Domains; d.All || len(d.List) > 1 {
		f = slices.Insert(f, 0, field{Name: "tenant_domain", Label: "The domain of rows that name none", About: "Or global. Your own if it is empty."})
	}
	return importing{
		Form: newForm("import", r.Params, f...), Rows: s.Settings.BulkRows, Bytes: s.Settings.BulkBytes.String(), Columns: gateways.ImportColumns(), Sent: sent,
	}, err
}

func (s *Service) sendImport(r *web.Request) (next string, err error) {
	id, err := s.Gateways.SendImport(r)
	return "/gateways/import/" + id, err
}

// importAgain shows the page with what was typed and what is wrong with the file. The browser keeps no file: it has to be
// chosen again.
func (s *Service) importAgain(r *web.Request, f *fault.Error) (any, error) {
	p, err := s.importing(r)
	if len(f.Details) == 0 {
		p.Form = p.Form.blame(f)
		return p, err
	}
	p.Form.Problem = "The file cannot be read."
	p.Details, p.Total = shownDetails(f), f.DetailsTotal
	return p, err
}

// shownDetails are the first of what is wrong with a file that a page has room for.
func shownDetails(f *fault.Error) []fault.Detail {
	return f.Details[:fitting(f.Details, sentShown, func(d fault.Detail) string { return clipped(d.Field) + clippedTo(d.Message, maxWhat) })]
}

// sentView is a file that was sent.
type sentView struct {
	gateways.SentImport
	Ended    bool // it was compared
	Failed   string
	Size     string
	Shows    []tally
	Faulty   int  // rows that cannot be done
	Does     int  // rows that an import would do something about
	MayApply bool // there is something to apply, and it was not yet
	Mode     string
	Problem  string // why it was not imported
	Details  []fault.Detail
	Total    int
	Pager    pager
}

func (s *Service) sent(r *web.Request) (any, error) { return s.sentView(r) }

func (s *Service) sentView(r *web.Request) (v sentView, err error) {
	after, err := r.Params.Number("after", 0, 0, math.MaxInt32)
	if err != nil {
		return v, err
	}
	show := r.Params.Get("show")
	if v.SentImport, err = s.Gateways.SentImport(r, show, after, sentShown); err != nil {
		return v, err
	}
	v.Ended, v.Size, v.Mode = v.Check.State.Done(), showSize(v.Bytes), gateway.ModeAll
	if v.Check.Error != nil {
		v.Failed = v.Check.Error.Message
	}
	shown := fitting(v.Rows, sentShown, func(row gateways.SentRow) string {
		text := clipped(row.GatewayName) + clipped(row.TenantDomain)
		if row.Error != nil {
			text += clippedTo(row.Error.Message, maxWhat)
		}
		for _, c := range row.Changes[:min(len(row.Changes), changesShown)] {
			text += "<bdi></bdi> becomes <bdi></bdi>" + c.Field + valueOf(c.From) + valueOf(c.To)
		}
		return text
	})
	if shown < len(v.Rows) {
		v.Rows = v.Rows[:shown]
		v.Next = v.Rows[shown-1].Number
	}
	next := ""
	if v.Next != 0 {
		next = strconv.Itoa(v.Next)
	}
	v.Pager = newPager(r, next)
	v.Faulty = v.Counts[string(tasks.ItemFailed)]
	v.Does = v.Counts[gateway.ToAdd] + v.Counts[gateway.ToChange]
	v.MayApply = v.Counts != nil && v.AppliedBy == "" && v.Counts["total"] > v.Faulty
	if v.Faulty > 0 {
		v.Mode = gateway.ModeEach
	}
	for _, one := range []struct{ show, is, counted string }{
		{"", "all", "total"}, {gateways.SentFaults, "cannot be done", string(tasks.ItemFailed)}, {gateway.ToAdd, "new", gateway.ToAdd},
		{gateway.ToChange, "changed", gateway.ToChange}, {gateway.Unchanged, "unchanged", gateway.Unchanged},
	} {
		v.Shows = append(v.Shows, tally{one.show, one.is, int64(v.Counts[one.counted]), home + "/gateways/import/" + v.ID + showing(one.show), one.show == show})
	}
	return v, nil
}

func showing(show string) string {
	if show == "" {
		return ""
	}
	return "?show=" + show
}

// valueOf is a value as a list has it.
func valueOf(value *string) string {
	if value == nil {
		return ""
	}
	return clippedTo(*value, valueShown)
}

// showSize is the size of a file for people, exact where it is small.
func showSize(bytes int) string {
	if bytes < 10_000 {
		return strconv.Itoa(bytes) + " bytes"
	}
	return strconv.FormatFloat(float64(bytes)/1e3, 'f', 1, 64) + " KB"
}

func (s *Service) applyImport(r *web.Request) (next string, err error) {
	job, err := s.Gateways.ApplyImport(r)
	return "/jobs/" + job.ID, err
}

// sentAgain shows the file with why it was not imported.
func (s *Service) sentAgain(r *web.Request, f *fault.Error) (any, error) {
	r.Params = params.Values{}
	v, err := s.sentView(r)
	v.Problem, v.Details, v.Total = f.Message, shownDetails(f), f.DetailsTotal
	if len(f.Details) > 0 {
		v.Problem = "Rows are at fault."
	}
	return v, err
}

func (s *Service) dropImport(r *web.Request) (next string, err error) {
	return "/gateways/import", s.Gateways.DropImport(r)
}

// importTemplateEndpoint is the file that an import may begin with.
func (s *Service) importTemplateEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "consoleImportTemplate", Methods: []string{"GET"}, Path: home + "/gateways/import/template.csv", Entry: web.Console, Scope: token.ScopeProvision,
		Failed: s.failed, NoSession: toSignIn, Answer: s.Gateways.ImportTemplate,
	}
}

// itemsEndpoint is all items of a job of many as a file.
func (s *Service) itemsEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "consoleItems", Methods: []string{"GET"}, Path: home + "/jobs/:id/items.csv", Entry: web.Console,
		Params: []web.Param{{Name: "state"}}, Failed: s.failed, NoSession: toSignIn,
		Answer: func(r *web.Request) error {
			r.Params = params.Values{"format": "csv", "state": r.Params.Get("state")}
			return s.Jobs.Items(r)
		},
	}
}
