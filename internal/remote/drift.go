package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"trunkline/internal/client"
	"trunkline/internal/commandline"
)

type gatewayDriftCommand struct {
	Format
	Domain string `placeholder:"NAME" help:"Only gateways of a domain; global for those of none."`
}

func (gatewayDriftCommand) Help() string {
	return `It changes nothing; trunkline gateways reconcile repairs what it names.

Exit status: 0 no drift, 5 drift, 1 it could not be compared, or not on every switch.

Example: trunkline gateways drift --domain pbx.example`
}

// drift is what a comparison found.
type drift struct {
	Findings []finding `json:"findings"`
	Total    int       `json:"total"` // of findings, also of those that are too many to show
	Switches []struct {
		Switch     string `json:"switch"`
		Error      string `json:"error"`
		CacheError string `json:"cache_error"`
	} `json:"switches"`
	FilesError string          `json:"files_error"`
	Raw        json.RawMessage `json:"-"`
}

type finding struct {
	Kind        string `json:"kind"`
	GatewayUUID string `json:"gateway_uuid"`
	GatewayName string `json:"gateway_name"`
	Domain      string `json:"tenant_domain"`
	Switch      string `json:"switch"`
	What        string `json:"what"`
	Remedy      string `json:"remedy"`
	Repair      bool   `json:"repair"`
}

var driftHeadings = []string{"KIND", "GATEWAY", "NAME", "DOMAIN", "SWITCH", "WHAT", "REMEDY"}

func (f finding) cells() []string {
	return []string{f.Kind, f.GatewayUUID, f.GatewayName, f.Domain, f.Switch, f.What, f.Remedy}
}

func driftRows(findings []finding) [][]string {
	rows := make([][]string, len(findings))
	for i, f := range findings {
		rows[i] = f.cells()
	}
	return rows
}

// unknown is what could not be compared, and why.
func (d drift) unknown() (why []string) {
	for _, sw := range d.Switches {
		for _, text := range []string{sw.Error, sw.CacheError} {
			if text != "" {
				why = append(why, sw.Switch+": "+text)
			}
		}
	}
	if d.FilesError != "" {
		why = append(why, d.FilesError)
	}
	return why
}

// mostFindings is how many findings the API shows at most.
const mostFindings = 10_000

func (s *session) drift(domain string) (d drift, err error) {
	query := url.Values{"limit": {strconv.Itoa(mostFindings)}}
	if domain != "" {
		query.Set("tenant_domain", domain)
	}
	if err := s.api.Get(s.ctx, gatewaysPath+"/drift", query, &d.Raw); err != nil {
		return d, s.worded(err)
	}
	if err := json.Unmarshal(d.Raw, &d); err != nil {
		return d, fmt.Errorf("reading the report: %w", err)
	}
	return d, nil
}

func (c gatewayDriftCommand) Run(s *session) error {
	d, err := s.drift(c.Domain)
	if err != nil {
		return err
	}
	if c.Output != "table" || len(d.Findings) > 0 {
		if err := s.print(c.Format, listing{headings: driftHeadings, rows: driftRows(d.Findings), raw: d.Raw}); err != nil {
			return err
		}
	}
	unknown := d.unknown()
	for _, why := range unknown {
		s.tell("WARNING: %s", visible(why))
	}
	switch {
	case len(d.Findings) > 0:
		return &commandline.Ended{Status: statusDrift, Err: fmt.Errorf("there is drift: %d; trunkline gateways reconcile repairs what can be", max(d.Total, len(d.Findings)))}
	case len(unknown) > 0:
		return errors.New("no drift was found where it could be looked for, which was not everywhere")
	}
	s.tell("no drift")
	return nil
}

type gatewayReconcileCommand struct {
	Format
	IDs    []string `arg:"" optional:"" name:"id" help:"The gateways' UUIDs."`
	All    bool     `help:"All that a comparison finds and that can be repaired, which is shown first."`
	Domain string   `placeholder:"NAME" help:"With --all, only gateways of a domain."`
	Yes    bool     `short:"y" help:"Do it without asking."`
}

func (gatewayReconcileCommand) Help() string {
	return `Example: trunkline gateways reconcile 5d4f2a0e-8f5b-4e0c-9a55-1f2d3c4b5a69

Example: trunkline gateways reconcile --all --domain pbx.example`
}

func (c gatewayReconcileCommand) Run(s *session) error {
	if c.All == (len(c.IDs) > 0) {
		return errors.New("say which gateways: their UUIDs, or --all that a comparison finds")
	}
	if c.Domain != "" && !c.All {
		return errors.New("--domain: goes with --all; leave it out beside UUIDs")
	}
	if !c.Yes && s.ask == nil {
		return errors.New("nobody can be asked whether to do it, since this is no terminal; trunkline gateways drift shows what is found, and --yes does it")
	}
	ids, err := c.chosen(s)
	if err != nil || len(ids) == 0 {
		return err
	}
	if !c.Yes {
		if err := s.agreeTo(fmt.Sprintf("Reconcile %d gateways?", len(ids))); err != nil {
			return err
		}
	}
	b := bulk{session: s, what: "reconcile", ask: func(bool) client.Request {
		return client.Request{Path: gatewaysPath + "/reconcile", Form: url.Values{"ids": {strings.Join(ids, ",")}}}
	}}
	job, err := b.run(false, newKey())
	if err != nil {
		return err
	}
	return s.finish(c.Format, job)
}

// chosen are the UUIDs that were given, or those of what a comparison finds, once it is shown.
func (c gatewayReconcileCommand) chosen(s *session) (ids []string, err error) {
	if !c.All {
		return gatewayIDs(c.IDs)
	}
	d, err := s.drift(c.Domain)
	if err != nil {
		return nil, err
	}
	for _, why := range d.unknown() {
		s.tell("WARNING: %s", visible(why))
	}
	var repaired []finding
	for _, f := range d.Findings {
		if f.Repair && f.GatewayUUID != "" {
			repaired = append(repaired, f)
			ids = append(ids, f.GatewayUUID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		s.printf("there is nothing to repair\n")
		return nil, nil
	}
	return ids, writeTable(s.err, driftHeadings, driftRows(repaired))
}
