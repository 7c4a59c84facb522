package gateways

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/gateway/table"
	"trunkline/internal/token"
)

// exportParams are what a list takes beside its filter and its pages.
var exportParams = []web.Param{
	{Name: "format", About: "json; or csv or ndjson: all of them as a file that an import reads, without pages.", Choices: []string{string(table.JSON), string(table.CSV), string(table.NDJSON)}},
	{Name: "with_secrets", About: "true: the file has the passwords too. Needs the scope admin, and is audited.", Kind: web.KindFlag},
}

// exportMedia are the types of an export.
var exportMedia = map[table.Format]string{table.CSV: "text/csv", table.NDJSON: "application/x-ndjson"}

// searchOrExport answers with a page of gateways, or with all of them as a file.
func (s *Service) searchOrExport(r *web.Request) error {
	format := table.Format(r.Params.Get("format"))
	secrets, err := r.Params.Flag("with_secrets")
	if err != nil {
		return err
	}
	if secrets {
		if err := r.Need(token.ScopeAdmin); err != nil {
			return err
		}
	}
	switch {
	case format == table.CSV || format == table.NDJSON:
		return s.export(r, format, secrets)
	case format != "" && format != table.JSON:
		return fault.Invalid("format", "write json, csv or ndjson")
	case secrets:
		return fault.Invalid("with_secrets", "a page has no passwords; ask for a file, with format=csv or format=ndjson")
	}
	page, err := s.Search(r)
	if err == nil {
		r.Answer(http.StatusOK, page)
	}
	return err
}

// export writes the gateways that the request chooses as an import reads them.
func (s *Service) export(r *web.Request, format table.Format, secrets bool) error {
	for _, name := range []string{"after", "limit"} {
		if r.Params.Has(name) {
			return fault.Invalid(name, "a file has no pages; leave it out, or ask for format=json")
		}
	}
	f, err := filterOf(r)
	if err != nil {
		return err
	}
	uuids, err := s.toExport(r, f)
	if err != nil {
		return err
	}
	if secrets { // before a byte of them has left
		domainUUID := ""
		if !f.domains.All && len(f.domains.List) == 1 {
			domainUUID = f.domains.List[0].UUID
		}
		r.Changed("gateway.export", fmt.Sprintf("%d gateways with their passwords", len(uuids)), domainUUID)
	}
	return s.writeExport(r, f, uuids, newExportWriter(r, format, secrets, s.settings.CSVFormulaGuard))
}

// toExport are the uuids of the gateways that the filter chooses, in the order of their names. The switches are asked
// only if it depends on them.
func (s *Service) toExport(r *web.Request, f filter) ([]string, error) {
	if f.state == "" && f.status == "" {
		rows, err := s.filtered(r.Context(), f)
		return uuidsOf(rows), err
	}
	all, warnings, err := s.find(r, f)
	if err == nil && len(warnings) > 0 {
		err = fault.Errorf(fault.SwitchUnavailable, "%s; which gateways are in that state is not known without it, and a file cannot say so: ask again when it answers, or without state and status", warnings[0])
	}
	_, uuids := rowsOf(all)
	return uuids, err
}

func uuidsOf(rows []fusionpbx.Gateway) []string {
	uuids := make([]string, len(rows))
	for i, row := range rows {
		uuids[i] = row.UUID
	}
	return uuids
}

// exportedAtOnce is how many whole gateways are held at a time.
const exportedAtOnce = 500

// writeExport writes the gateways as they stand when their turn comes. One that has gone by then is left out.
func (s *Service) writeExport(r *web.Request, f filter, uuids []string, w *exportWriter) error {
	ctx := r.Context()
	if err := w.begin(); err != nil {
		return err
	}
	for some := range slices.Chunk(uuids, exportedAtOnce) {
		byUUID, err := s.db.GatewaysByUUIDs(ctx, some)
		if err != nil {
			return err
		}
		var rows []fusionpbx.Gateway
		for _, uuid := range some {
			if row, there := byUUID[uuid]; there && f.domains.HoldUUID(row.DomainUUID) {
				rows = append(rows, row)
			}
		}
		names, err := s.domainNames(ctx, rows)
		if err != nil {
			return err
		}
		ids, err := gateway.ExternalIDs(ctx, s.pbx.Pool, some)
		if err != nil {
			return err
		}
		var cidrs map[string][]string
		if w.cidrs {
			if cidrs, err = gateway.CIDRs(ctx, s.pbx.Pool, some); err != nil {
				return err
			}
		}
		for _, row := range rows {
			if err := w.row(row, names[row.DomainUUID], ids[row.UUID], cidrs[row.UUID]); err != nil {
				return err
			}
		}
	}
	return w.end()
}

// exportWriter writes gateways into the answer, a row each.
type exportWriter struct {
	names, columns []string
	cidrs          bool // with provider_cidrs
	values         []*string
	csv            *table.CSVWriter // one of the two
	ndjson         *table.NDJSONWriter
}

// newExportWriter returns a writer into the answer.
func newExportWriter(r *web.Request, format table.Format, secrets, guard bool) *exportWriter {
	names, columns := exportParameters(secrets)
	w := &exportWriter{names: append([]string{"gateway_uuid", "external_id", "tenant_domain"}, names...), columns: columns}
	if w.cidrs = r.Caller.Domains.All; w.cidrs { // nobody else could send them back
		w.names = append(w.names, providerCIDRs)
	}
	to := r.Attach(exportMedia[format]+"; charset=utf-8", "gateways."+string(format))
	if format == table.CSV {
		w.csv = table.NewCSVWriter(to, "", guard)
	} else {
		w.ndjson = table.NewNDJSONWriter(to)
	}
	return w
}

func (w *exportWriter) begin() error {
	if w.csv == nil {
		return nil
	}
	return w.csv.Row(w.names)
}

// row writes one gateway. Of several external_ids it has the first: a row of an import gives one, and takes none away.
func (w *exportWriter) row(row fusionpbx.Gateway, domain string, externalIDs, cidrs []string) error {
	externalID := ""
	if len(externalIDs) > 0 {
		externalID = externalIDs[0]
	}
	texts := []string{row.UUID, externalID, domain}
	for _, column := range w.columns {
		texts = append(texts, row.Get(column))
	}
	if w.cidrs {
		texts = append(texts, strings.Join(cidrs, ","))
	}
	if w.csv != nil {
		return w.csv.Row(texts)
	}
	w.values = w.values[:0]
	for i := range texts {
		if texts[i] == "" {
			w.values = append(w.values, nil)
		} else {
			w.values = append(w.values, &texts[i])
		}
	}
	return w.ndjson.Row(w.names, w.values)
}

func (w *exportWriter) end() error {
	if w.csv != nil {
		return w.csv.Flush()
	}
	return w.ndjson.Flush()
}
