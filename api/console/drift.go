package console

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"trunkline/api/gateways"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/token"
)

var driftPage = page{
	path: "/gateways/drift", title: "Drift of gateways", template: "drift", unlisted: true, scope: token.ScopeRead, show: (*Service).drift,
	params: []web.Param{{Name: "tenant_domain"}, {Name: "kind"}, {Name: "after", Kind: web.KindNumber}},
}

// driftRepairPage asks whether a repair is meant, and its form does it.
var driftRepairPage = page{
	path: "/gateways/drift/repair", title: "Repair gateways", template: "driftrepair", unlisted: true, scope: token.ScopeProvision, show: (*Service).askRepair,
	params: repairParams,
	actions: []action{{
		path: "/gateways/drift/repair", scope: token.ScopeProvision, atOnce: []web.AtOnce{web.AtOnceJobs}, do: (*Service).repair, again: (*Service).askRepairAgain,
		params: slices.Concat(repairParams, []web.Param{{Name: "as_shown"}}),
	}},
}

// repairParams say which gateways are meant: those that are named, or all that the filter of the page of drift shows.
var repairParams = []web.Param{
	{Name: "ids", Kind: web.KindUUIDs}, {Name: "all", Kind: web.KindFlag}, {Name: "tenant_domain"}, {Name: "kind"},
}

// driftWords are what each kind of finding is, and what a repair does about it; "": nothing.
var driftWords = map[string]struct{ Is, Repair string }{
	gateway.DriftNotLoaded:    {"enabled, and not loaded", "The switch loads them."},
	gateway.DriftDisabled:     {"disabled, and still loaded", "The switch unloads them, and no call goes through them any more."},
	gateway.DriftOrphan:       {"loaded, and without a row", "The switch unloads them, and no call goes through them any more."},
	gateway.DriftOtherSwitch:  {"loaded by a switch that it is not for", "That switch unloads them, and no call goes through it any more."},
	gateway.DriftOtherProfile: {"loaded under another profile", reloads},
	gateway.DriftTwice:        {"loaded several times", reloads},
	gateway.DriftSettings:     {"loaded with other settings", reloads},
	gateway.DriftOutdated:     {"changed since it was loaded", reloads},
	gateway.DriftNotLoadable:  {"loaded, and could not be loaded again", ""},
	gateway.DriftFailWait:     {"refused by its carrier for long", ""},
	gateway.DriftStalePing:    {"no longer pinged", ""},
	gateway.DriftCacheLacks:   {"not in the cached configuration", recaches},
	gateway.DriftCacheHas:     {"wrongly in the cached configuration", recaches},
	gateway.DriftCacheDiffers: {"other settings in the cached configuration", recaches},
	gateway.DriftFileLacks:    {"without a file", "Their files are written."},
	gateway.DriftFileHas:      {"with a file that it should not have", "Their files are deleted."},
	gateway.DriftFileDiffers:  {"other settings in its file", "Their files are written anew."},
}

const (
	reloads  = "The switch unloads them and loads them as their rows say. They register anew, and calls may be missed meanwhile."
	recaches = "FusionPBX's cached configuration is dropped, and the switch's next rescan makes it anew."
)

const (
	// driftShown is how many findings a page has at most.
	driftShown = 100
	// maxWhat bounds how much is shown of what differs, in characters.
	maxWhat = 1000
)

// driftView is a page of what differs.
type driftView struct {
	gateways.DriftReport
	Kinds      []tally
	Filtered   bool
	MayRepair  bool
	Repairable int // gateways that a repair of all would be about, whatever page is shown
	RepairAll  string
	From, To   int // which of the findings are shown, from 1
	Pager      pager
}

// driftIs is what a kind of finding is, in words.
func driftIs(kind string) string { return driftWords[kind].Is }

// compared is the report that the filter asks for.
func (s *Service) compared(r *web.Request) (gateways.DriftReport, error) {
	return s.Gateways.Drift(r.With(params.Values{
		"tenant_domain": r.Params.Get("tenant_domain"), "kind": r.Params.Get("kind"),
	}))
}

func (s *Service) drift(r *web.Request) (any, error) {
	after, err := r.Params.Number("after", 0, 0, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	report, err := s.compared(r)
	if err != nil {
		return nil, err
	}
	v := driftView{
		DriftReport: report, Filtered: filtered(r), MayRepair: r.Caller.May(token.ScopeProvision), Repairable: len(toRepair(report.Findings)),
		RepairAll: home + "/gateways/drift/repair",
	}
	now, all := r.Params.Get("kind"), 0
	for _, n := range report.Counts {
		all += n
	}
	v.Kinds = []tally{newTally(r, "kind", "", "all", int64(all))}
	for _, kind := range gateways.DriftKinds {
		if n := report.Counts[kind]; n > 0 || kind == now {
			v.Kinds = append(v.Kinds, newTally(r, "kind", kind, driftIs(kind), int64(n)))
		}
	}
	left := report.Findings[min(after, len(report.Findings)):]
	v.Findings = left[:fitting(left, driftShown, func(f gateways.DriftFinding) string {
		return clipped(f.GatewayName) + clippedTo(f.What, maxWhat) + f.Remedy
	})]
	next := ""
	if len(v.Findings) < len(left) {
		next = strconv.Itoa(after + len(v.Findings))
	}
	v.From, v.To, v.Pager = after+1, after+len(v.Findings), newPager(r, next)
	return v, nil
}

// toRepair are the gateways among the findings that a repair does something about, each once.
func toRepair(findings []gateways.DriftFinding) []string {
	found := map[string]bool{}
	for _, f := range findings {
		if f.Repair && f.GatewayUUID != "" {
			found[f.GatewayUUID] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// repairing is the page that asks whether a repair is meant.
type repairing struct {
	Gateways int // that it is about
	Kinds    []repaired
	Others   int // of those that were chosen, gateways of which nothing differs any more that a repair does something about
	All      bool
	IDs      string
	Kind     string
	Domain   string
	AsShown  string // tells which gateways are meant
	Back     string
	Problem  string

	ids []string
}

// repaired are the gateways that differ in one way, and what a repair does about that.
type repaired struct {
	Is, Repair string
	Gateways   int
}

// repairOf is what the request wants repaired, as things stand now.
func (s *Service) repairOf(r *web.Request) (p repairing, err error) {
	p = repairing{Kind: r.Params.Get("kind"), Domain: r.Params.Get("tenant_domain"), Back: home + "/gateways/drift"}
	if p.All, err = r.Params.Flag("all"); err != nil {
		return p, err
	}
	chosen := map[string]bool{}
	for _, id := range params.Split(r.Params.Get("ids")) {
		chosen[strings.ToLower(id)] = true
	}
	if p.All == (len(chosen) > 0) {
		return p, fault.Errorf(fault.MissingParameters, "ids: no gateway is chosen; tick those that you mean, or have all repaired")
	}
	report, err := s.compared(r)
	if err != nil {
		return p, err
	}
	if !p.All {
		report.Findings = slices.DeleteFunc(report.Findings, func(f gateways.DriftFinding) bool { return !chosen[f.GatewayUUID] })
	}
	p.ids = toRepair(report.Findings)
	p.Gateways, p.Others = len(p.ids), max(0, len(chosen)-len(p.ids))
	sum := sha256.Sum256([]byte(strings.Join(p.ids, ",")))
	p.AsShown = hex.EncodeToString(sum[:8])
	if !p.All {
		p.IDs = strings.Join(p.ids, ",")
	}
	for _, kind := range gateways.DriftKinds {
		of := slices.DeleteFunc(slices.Clone(report.Findings), func(f gateways.DriftFinding) bool { return f.Kind != kind })
		if n := len(toRepair(of)); n > 0 {
			p.Kinds = append(p.Kinds, repaired{driftWords[kind].Is, driftWords[kind].Repair, n})
		}
	}
	return p, nil
}

func (s *Service) askRepair(r *web.Request) (any, error) { return s.repairOf(r) }

// askRepairAgain asks again, and says why nothing was done.
func (s *Service) askRepairAgain(r *web.Request, f *fault.Error) (any, error) {
	p, err := s.repairOf(r)
	p.Problem = f.Message
	return p, err
}

// repair does it, if it is still about the gateways that the page was about.
func (s *Service) repair(r *web.Request) (next string, err error) {
	p, err := s.repairOf(r)
	if err != nil {
		return "", err
	}
	if p.AsShown != r.Params.Get("as_shown") {
		return "", fault.Errorf(fault.Conflict, "other gateways differ by now than this page had; look at what would be repaired now, and confirm that")
	}
	if len(p.ids) == 0 {
		return "", fault.Errorf(fault.Conflict, "nothing is left to repair")
	}
	job, err := s.Gateways.Reconcile(r.With(params.Values{"ids": strings.Join(p.ids, ",")}))
	return "/jobs/" + job.ID, err
}
