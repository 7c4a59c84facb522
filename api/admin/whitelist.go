package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"unicode/utf8"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/audit"
	"trunkline/internal/fault"
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

// whitelistAdded is the answer of adding an address.
type whitelistAdded struct {
	Added   bool           `json:"added"` // false: it was covered already
	Entry   WhitelistEntry `json:"entry"` // the new line, or the one that holds the address already
	Version string         `json:"version"`
}

// whitelistRemoved is the answer of removing an address.
type whitelistRemoved struct {
	Removed        []WhitelistEntry `json:"removed"`
	StillAllowedBy *WhitelistEntry  `json:"still_allowed_by"` // a wider entry that holds the address
	Version        string           `json:"version"`
}

type whitelistReplaced struct {
	Entries int    `json:"entries"` // how many there are now
	Version string `json:"version"`
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
			Entry: web.SignedIn, Scopes: web.ToAdmin, Answer: ofAllDomains(s.getWhitelist),
			Replies: []web.Reply{{Status: 200, About: "The file.", Body: Whitelist{}}},
		},
		{
			ID: "addToWhitelist", Summary: "Add an address", Note: forAll, Methods: []string{"POST"}, Path: "/v1/whitelist",
			Entry: web.SignedIn, Scopes: web.ToAdmin, Answer: ofAllDomains(s.addToWhitelist),
			Params: []web.Param{address, {Name: "comment", About: "What is written behind it.", Most: whitelist.MaxComment}, lockout},
			Replies: []web.Reply{
				{Status: 200, About: "It was covered already.", Body: whitelistAdded{}},
				{Status: 201, About: "It was added.", Body: whitelistAdded{}},
			},
			Faults: edits,
		},
		{
			ID: "removeFromWhitelist", Summary: "Remove an address", Note: forAll, Methods: []string{"DELETE"}, Path: "/v1/whitelist",
			Entry: web.SignedIn, Scopes: web.ToAdmin, Answer: ofAllDomains(s.removeFromWhitelist),
			Params:  []web.Param{address, lockout},
			Replies: []web.Reply{{Status: 200, About: "It was removed.", Body: whitelistRemoved{}}},
			Faults:  append([]fault.Code{fault.NotFound}, edits...),
		},
		{
			ID: "replaceWhitelist", Summary: "Replace the file", Note: forAll, Methods: []string{"PUT"}, Path: "/v1/whitelist",
			Entry: web.SignedIn, Scopes: web.ToAdmin, Answer: ofAllDomains(s.replaceWhitelist),
			Params: []web.Param{
				{Name: params.Text, About: "The whole file.", Required: true},
				{Name: "version", About: "Of the text that was edited.", Required: true},
				lockout,
			},
			Replies: []web.Reply{{Status: 200, About: "It was replaced.", Body: whitelistReplaced{}}},
			Faults:  edits,
		},
		{
			ID: "checkWhitelist", Summary: "May an address call?", Note: forAll, Methods: []string{"GET"}, Path: "/v1/whitelist/check",
			Entry: web.SignedIn, Scopes: web.ToAdmin, Answer: ofAllDomains(s.checkWhitelist),
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

// getWhitelist shows the file.
func (s *Service) getWhitelist(r *web.Request) error {
	doc, err := s.file.Read()
	trouble := err
	if err != nil {
		doc = whitelist.Parse(nil)
	} else {
		_, trouble = doc.Set()
	}
	view := Whitelist{File: s.settings.Whitelist, Version: doc.Version(), Entries: []WhitelistEntry{}, InEffect: s.whitelist.Count(), Denied: []deniedView{}}
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
		return err
	}
	for _, d := range denied {
		addr, err := netip.ParseAddr(d.Address)
		view.Denied = append(view.Denied, deniedView{Denied: d, Allowed: err == nil && s.whitelist.Allows(addr)})
	}
	r.Answer(http.StatusOK, view)
	return nil
}

// checkWhitelist says whether an address may call.
func (s *Service) checkWhitelist(r *web.Request) error {
	text := r.Params.Get("address")
	if text == "" {
		return fault.Missing("address")
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return fault.Invalid("address", "is not an IP address; write one such as 192.0.2.1 or 2001:db8::1")
	}
	addr = addr.Unmap()
	answer := WhitelistCheck{Address: addr.String(), Allowed: s.whitelist.Allows(addr)}
	if doc, err := s.file.Read(); err == nil && answer.Allowed {
		if entry, found := doc.CoveringAddr(addr); found {
			line := lineOf(entry)
			answer.Entry = &line
		}
	}
	r.Answer(http.StatusOK, answer)
	return nil
}

// addToWhitelist adds a line for an address or CIDR.
func (s *Service) addToWhitelist(r *web.Request) error {
	network, editor, err := whitelistEdit(r)
	if err != nil {
		return err
	}
	comment := r.Params.Get("comment")
	if err := whitelist.CheckComment(comment); err != nil {
		return fault.Invalid("comment", "%v", err)
	}
	done, err := s.file.Add(r.Context(), network, comment, editor)
	if err != nil {
		return whitelistFailure("address", err)
	}
	status := http.StatusOK
	if done.Changed {
		status = http.StatusCreated
		s.whitelistChanged(r, "whitelist.add", done.Entry.Address())
	}
	r.Answer(status, whitelistAdded{Added: done.Changed, Entry: lineOf(done.Entry), Version: done.Document.Version()})
	return nil
}

// removeFromWhitelist takes out the line of an address or CIDR. The parameter address names it: a CIDR
// has a slash, which a path would split.
func (s *Service) removeFromWhitelist(r *web.Request) error {
	network, editor, err := whitelistEdit(r)
	if err != nil {
		return err
	}
	done, err := s.file.Remove(r.Context(), network, editor)
	if err != nil {
		return whitelistFailure("address", err)
	}
	s.whitelistChanged(r, "whitelist.remove", done.Entries[0].Address())
	answer := whitelistRemoved{Version: done.Document.Version()}
	for _, entry := range done.Entries {
		answer.Removed = append(answer.Removed, lineOf(entry))
	}
	if done.Covering != nil {
		line := lineOf(*done.Covering)
		answer.StillAllowedBy = &line
	}
	r.Answer(http.StatusOK, answer)
	return nil
}

// replaceWhitelist writes the whole text in place of the version that the caller has read.
func (s *Service) replaceWhitelist(r *web.Request) error {
	var absent []string
	for _, name := range []string{params.Text, "version"} {
		if !r.Params.Has(name) {
			absent = append(absent, name)
		}
	}
	if len(absent) > 0 {
		return fault.Missing(absent...)
	}
	editor, err := editorOf(r)
	if err != nil {
		return err
	}
	before := r.Params.Get("version")
	doc, err := s.file.Replace(r.Context(), []byte(r.Params.Raw(params.Text)), before, editor)
	if err != nil {
		return whitelistFailure(params.Text, err)
	}
	entries := len(doc.Entries())
	if doc.Version() != before {
		s.whitelistChanged(r, "whitelist.replace", fmt.Sprintf("%d entries", entries))
	}
	r.Answer(http.StatusOK, whitelistReplaced{Entries: entries, Version: doc.Version()})
	return nil
}

// whitelistEdit reads what adding and removing have in common.
func whitelistEdit(r *web.Request) (network netip.Prefix, editor whitelist.Editor, err error) {
	text := r.Params.Get("address")
	if text == "" {
		return network, editor, fault.Missing("address")
	}
	if network, err = whitelist.ParseNetwork(text); err != nil {
		return network, editor, fault.Invalid("address", "%v", err)
	}
	editor, err = editorOf(r)
	return network, editor, err
}

// editorOf keeps the caller's own address on the list, unless the caller says that it may go.
func editorOf(r *web.Request) (whitelist.Editor, error) {
	allow, err := r.Params.Flag("allow_lockout")
	return whitelist.Editor{Address: r.Address, AllowLockout: allow}, err
}

// whitelistChanged puts a change into effect here, before it is answered, and records it. Other
// processes see it in the file.
func (s *Service) whitelistChanged(r *web.Request, action, subject string) {
	s.whitelist.Reload()
	r.Changed(action, subject, "")
}

// refusalCodes are the codes of edits that were not made.
var refusalCodes = map[whitelist.Reason]fault.Code{
	whitelist.Invalid:    fault.InvalidRequest,
	whitelist.Broken:     fault.Conflict,
	whitelist.Stale:      fault.Conflict,
	whitelist.NotListed:  fault.NotFound,
	whitelist.Lockout:    fault.Lockout,
	whitelist.Busy:       fault.Unavailable,
	whitelist.Unwritable: fault.NotWritable,
}

// whitelistFailure words why an edit was not made of what that parameter asked for.
func whitelistFailure(parameter string, err error) error {
	var refusal *whitelist.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	message := refusal.Message
	switch refusal.Reason {
	case whitelist.Lockout:
		message += "; send allow_lockout=true to make it all the same"
	case whitelist.Invalid:
		message = parameter + ": " + message
	}
	return &fault.Error{Code: refusalCodes[refusal.Reason], Message: message, Cause: errors.Unwrap(refusal)}
}
