package admin

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"unicode/utf8"

	"trunkline/api/web"
	"trunkline/internal/audit"
	"trunkline/internal/fault"
	"trunkline/internal/token"
	"trunkline/internal/whitelist"
)

// Whitelist is the file as it stands, and who knocked.
type Whitelist struct {
	File    string `json:"file"`
	Version string `json:"version"` // for replacing the text
	// Text is the whole file; absent if it is not UTF-8, since JSON could not give it back as it is, and if it is
	// too large.
	Text    *string          `json:"text,omitempty"`
	Entries []WhitelistEntry `json:"entries"`
	// InEffect is how many addresses and networks may call now: those of the last good file if this
	// one is broken.
	InEffect int          `json:"in_effect"`
	Trouble  string       `json:"trouble"`          // what is wrong with the file, "" if nothing is
	Broken   []brokenLine `json:"broken,omitempty"` // the first hundred of its broken lines
	Denied   []deniedView `json:"denied"`           // who was denied lately
}

// maxBroken is how many broken lines are shown, as Whitelist says too.
const maxBroken = 100

type WhitelistEntry struct {
	Line    int    `json:"line"`
	Address string `json:"address"` // an address or a CIDR
	Comment string `json:"comment"`
}

type brokenLine struct {
	Line   int    `json:"line"`
	Text   string `json:"text"`
	Reason string `json:"reason"`
}

type deniedView struct {
	audit.Denied
	Allowed bool `json:"allowed"` // it is on the whitelist by now
}

// WhitelistCheck says whether an address may call and, if it may, by which entry of the file.
type WhitelistCheck struct {
	Address string          `json:"address"`
	Allowed bool            `json:"allowed"`
	Entry   *WhitelistEntry `json:"entry"`
}

func lineOf(e whitelist.Entry) WhitelistEntry {
	return WhitelistEntry{Line: e.Line, Address: e.Address(), Comment: e.Comment}
}

func (s *Service) whitelistEndpoints() []web.Endpoint {
	const forAll = "For credentials of all domains."
	address := web.Param{Name: "address", About: "An IP address or a CIDR.", Required: true}
	lockout := web.Param{Name: "allow_lockout", About: "true: even if the caller's own address is not on it any more.", Kind: web.KindFlag}
	edits := []fault.Code{fault.MissingParameters, fault.Conflict, fault.Lockout, fault.NotWritable}
	return []web.Endpoint{
		{
			ID: "getWhitelist", Summary: "Show the whitelist, and who was denied lately", Note: forAll, Methods: []string{"GET"}, Path: "/v1/whitelist",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: ofAllDomains(web.JSON(http.StatusOK, s.Whitelist)),
			Replies: []web.Reply{{Status: 200, About: "The file.", Body: Whitelist{}}},
		},
		{
			ID: "addToWhitelist", Summary: "Add an address", Note: forAll, Methods: []string{"POST"}, Path: "/v1/whitelist",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: ofAllDomains(s.addToWhitelist),
			Params: []web.Param{address, {Name: "comment", About: "What is written behind it.", Most: whitelist.MaxComment}, lockout},
			Replies: []web.Reply{
				{Status: 200, About: "It was covered already.", Body: WhitelistAdded{}},
				{Status: 201, About: "It was added.", Body: WhitelistAdded{}},
			},
			Faults: edits,
		},
		{
			ID: "removeFromWhitelist", Summary: "Remove an address", Note: forAll, Methods: []string{"DELETE"}, Path: "/v1/whitelist",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: ofAllDomains(web.JSON(http.StatusOK, s.RemoveFromWhitelist)),
			Params:  []web.Param{address, lockout},
			Replies: []web.Reply{{Status: 200, About: "It was removed.", Body: WhitelistRemoved{}}},
			Faults:  append([]fault.Code{fault.NotFound}, edits...),
		},
		{
			ID: "replaceWhitelist", Summary: "Replace the file", Note: forAll, Methods: []string{"PUT"}, Path: "/v1/whitelist",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: ofAllDomains(web.JSON(http.StatusOK, s.ReplaceWhitelist)),
			Params: []web.Param{
				{Name: textParam, About: "The whole file.", Kind: web.KindLines, Required: true},
				{Name: "version", About: "Of the text that was edited.", Required: true},
				lockout,
			},
			Replies: []web.Reply{{Status: 200, About: "It was replaced.", Body: WhitelistReplaced{}}},
			Faults:  edits,
		},
		{
			ID: "checkWhitelist", Summary: "May an address call?", Note: forAll, Methods: []string{"GET"}, Path: "/v1/whitelist/check",
			Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: ofAllDomains(web.JSON(http.StatusOK, s.CheckWhitelist)),
			Params:  []web.Param{{Name: "address", About: "An IP address.", Required: true}},
			Replies: []web.Reply{{Status: 200, About: "Whether it may, and by which entry.", Body: WhitelistCheck{}}},
			Faults:  []fault.Code{fault.MissingParameters},
		},
	}
}

// ofAllDomains lets in whoever is in charge of all domains: the whitelist is everybody's.
func ofAllDomains(answer func(*web.Request) error) func(*web.Request) error {
	return func(r *web.Request) error {
		if !r.Caller.Domains.All {
			return fault.Errorf(fault.Forbidden, "the whitelist decides who may call for any domain, and these credentials are for %s alone; use a superadmin's or a token's for all domains", r.Caller.Domains.Names())
		}
		return answer(r)
	}
}

// Whitelist shows the file.
func (s *Service) Whitelist(r *web.Request) (view Whitelist, err error) {
	doc, err := s.file.Read()
	trouble := err
	if err != nil {
		doc = whitelist.Parse(nil)
	} else {
		_, trouble = doc.Set()
	}
	view = Whitelist{
		File: s.settings.Whitelist, Version: doc.Version(), Entries: []WhitelistEntry{}, InEffect: s.whitelist.Count(), Denied: []deniedView{},
	}
	if trouble != nil {
		view.Trouble = trouble.Error()
	}
	if text := string(doc.Bytes()); utf8.ValidString(text) && !errors.Is(trouble, whitelist.ErrTooLarge) {
		view.Text = &text
	}
	for _, entry := range doc.Entries() {
		view.Entries = append(view.Entries, lineOf(entry))
	}
	broken := doc.Broken()
	for _, b := range broken[:min(len(broken), maxBroken)] {
		view.Broken = append(view.Broken, brokenLine{Line: b.Line, Text: strings.ToValidUTF8(b.Text, "?"), Reason: b.Reason})
	}
	denied, err := audit.DeniedLately(r.Context(), s.pool, fault.NotWhitelisted)
	if err != nil {
		return view, err
	}
	for _, d := range denied {
		addr, err := netip.ParseAddr(d.Address)
		view.Denied = append(view.Denied, deniedView{Denied: d, Allowed: err == nil && s.whitelist.Allows(addr)})
	}
	return view, nil
}

// CheckWhitelist says whether an address may call.
func (s *Service) CheckWhitelist(r *web.Request) (answer WhitelistCheck, err error) {
	text := r.Params.Get("address")
	if text == "" {
		return answer, fault.Missing("address")
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return answer, fault.Invalid("address", "is not an IP address; write one such as 192.0.2.1 or 2001:db8::1")
	}
	addr = addr.Unmap()
	answer = WhitelistCheck{Address: addr.String(), Allowed: s.whitelist.Allows(addr)}
	if doc, err := s.file.Read(); err == nil && answer.Allowed {
		if entry, found := doc.CoveringAddr(addr); found {
			line := lineOf(entry)
			answer.Entry = &line
		}
	}
	return answer, nil
}
