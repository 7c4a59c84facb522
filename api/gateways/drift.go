package gateways

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/token"
)

const (
	usualFailWait = 600    // seconds
	mostFailWait  = 864000 // seconds
	usualFindings = 1000
	mostFindings  = 10_000
)

// DriftKinds are the kinds of finding.
var DriftKinds = []string{
	gateway.DriftNotLoaded, gateway.DriftDisabled, gateway.DriftOrphan, gateway.DriftOtherSwitch, gateway.DriftOtherProfile, gateway.DriftTwice,
	gateway.DriftSettings, gateway.DriftOutdated, gateway.DriftNotLoadable, gateway.DriftFailWait, gateway.DriftStalePing, gateway.DriftCacheLacks, gateway.DriftCacheHas,
	gateway.DriftCacheDiffers, gateway.DriftFileLacks, gateway.DriftFileHas, gateway.DriftFileDiffers,
}

// DriftReport is what differs between FusionPBX's database and the switches.
type DriftReport struct {
	Findings []DriftFinding        `json:"findings"` // by the gateways' names
	Total    int                   `json:"total"`    // how many there are, also beyond limit
	Counts   map[string]int        `json:"counts"`   // by kind, of all kinds also if one is asked for
	Switches []gateway.DriftSwitch `json:"switches"`
	FileMode bool                  `json:"file_mode"` // gateways are kept as files, which are compared in place of a cached configuration
	// FilesError is why the files could not be compared.
	FilesError string `json:"files_error,omitempty"`
	// NotCompared are the columns that a switch does not show: of a gateway that Trunkline did not load, a difference
	// in these cannot be seen.
	NotCompared []string `json:"not_compared"`
}

// DriftFinding is one way in which a gateway differs.
type DriftFinding struct {
	gateway.Finding
	TenantDomain string `json:"tenant_domain,omitempty"` // its domain, or global; absent: it has no row
}

func (s *Service) driftEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "driftOfGateways", Summary: "Compare FusionPBX's gateways with what the switches have loaded",
		Note:    "Nothing is changed. Of jobs under way it may show what is half done. Gateways without a row are shown to callers of all domains alone.",
		Methods: []string{"GET"}, Path: "/v1/gateways/drift", Entry: web.SignedIn, Scope: token.ScopeRead, Limit: web.LimitGateways, Selects: true,
		Answer: web.JSON(http.StatusOK, s.drift),
		Params: []web.Param{
			{Name: "tenant_domain", About: "The domain, or global. Left out: all that the caller sees."},
			{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
			{Name: "kind", About: "Findings of one kind.", Choices: DriftKinds},
			{Name: "fail_wait_seconds", About: "For how long a carrier may refuse a gateway before that is reported.", Kind: web.KindNumber, Most: mostFailWait, Usual: usualFailWait},
			{Name: "limit", About: "The most findings that are shown.", Kind: web.KindNumber, Least: 1, Most: mostFindings, Usual: usualFindings},
		},
		Replies: []web.Reply{{Status: 200, About: "What differs.", Body: DriftReport{}}},
		Faults:  []fault.Code{fault.NotFound, fault.ServerError},
	}
}

// drift is the report with no more findings than the request wants.
func (s *Service) drift(r *web.Request) (answer DriftReport, err error) {
	limit, err := r.Params.Number("limit", usualFindings, 1, mostFindings)
	if err != nil {
		return answer, err
	}
	if answer, err = s.Drift(r); err == nil {
		answer.Findings = answer.Findings[:min(len(answer.Findings), limit)]
	}
	return answer, err
}

// Drift compares the gateways that the caller may see, and answers with all that it finds. Those without a row are
// nobody's, so that only who sees all hears of them.
func (s *Service) Drift(r *web.Request) (answer DriftReport, err error) {
	domains, err := r.DomainsOrGlobal()
	if err != nil {
		return answer, err
	}
	failWait, err := r.Params.Number("fail_wait_seconds", usualFailWait, 0, mostFailWait)
	if err != nil {
		return answer, err
	}
	kind := r.Params.Get("kind")
	if kind != "" && !slices.Contains(DriftKinds, kind) {
		return answer, fault.Invalid("kind", "unknown kind %.200q; use one of %s", kind, strings.Join(DriftKinds, ", "))
	}
	report, err := gateway.Drift{
		PBX: s.pbx, Keys: s.tasks.Keys(), Orphans: domains.All, FailWait: time.Duration(failWait) * time.Second,
		Rows: func(ctx context.Context) ([]fusionpbx.Gateway, error) {
			return s.db.GatewaysIn(ctx, domains, fusionpbx.GatewayColumns...)
		},
	}.Compare(r.Context())
	if err != nil {
		return answer, err
	}
	answer = DriftReport{
		Counts: map[string]int{}, Switches: report.Switches, FileMode: report.FileMode, FilesError: report.FilesError, NotCompared: gateway.NotCompared,
	}
	for _, f := range report.Findings {
		answer.Counts[f.Kind]++
	}
	if kind != "" {
		report.Findings = slices.DeleteFunc(report.Findings, func(f gateway.Finding) bool { return f.Kind != kind })
	}
	if !r.Caller.Domains.All {
		for i := range answer.Switches { // how many gateways others have
			answer.Switches[i].Loaded = nil
		}
	}
	answer.Total = len(report.Findings)
	answer.Findings, err = s.inTheirDomains(r.Context(), report.Findings)
	return answer, err
}

// inTheirDomains adds what the findings' domains are called.
func (s *Service) inTheirDomains(ctx context.Context, findings []gateway.Finding) ([]DriftFinding, error) {
	rows := make([]fusionpbx.Gateway, len(findings))
	for i, f := range findings {
		rows[i].DomainUUID = f.DomainUUID
	}
	names, err := s.domainNames(ctx, rows)
	shown := make([]DriftFinding, len(findings))
	for i, f := range findings {
		shown[i].Finding = f
		if f.HasRow {
			shown[i].TenantDomain = names[f.DomainUUID]
		}
	}
	return shown, err
}
