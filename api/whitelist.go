package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"unicode/utf8"

	"trunkline/internal/audit"
	"trunkline/internal/fault"
	"trunkline/internal/whitelist"
)

// whitelistView is the file as it stands, and who knocked.
type whitelistView struct {
	File    string `json:"file"`
	Version string `json:"version"` // for replacing the text
	// Text is the whole file; absent if it is not UTF-8, since JSON could not give it back as it is, and if it is
	// too large.
	Text    *string         `json:"text,omitempty"`
	Entries []whitelistLine `json:"entries"`
	// InEffect is how many addresses and networks may call now: those of the last good file where this
	// one is broken.
	InEffect int          `json:"in_effect"`
	Trouble  string       `json:"trouble"`          // what is wrong with the file, "" where nothing is
	Broken   []brokenLine `json:"broken,omitempty"` // the first hundred of its broken lines
	Denied   []deniedView `json:"denied"`           // who was denied lately
}

// maxBroken is how many broken lines are shown, as whitelistView says too.
const maxBroken = 100

type whitelistLine struct {
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
	Added   bool          `json:"added"` // false: it was covered already
	Entry   whitelistLine `json:"entry"` // the new line, or the one that holds the address already
	Version string        `json:"version"`
}

// whitelistRemoved is the answer of removing an address.
type whitelistRemoved struct {
	Removed        []whitelistLine `json:"removed"`
	StillAllowedBy *whitelistLine  `json:"still_allowed_by"` // a wider entry that holds the address
	Version        string          `json:"version"`
}

type whitelistReplaced struct {
	Entries int    `json:"entries"` // how many there are now
	Version string `json:"version"`
}

// whitelistChecked says whether an address may call and, where it may, by which entry of the file.
type whitelistChecked struct {
	Address string         `json:"address"`
	Allowed bool           `json:"allowed"`
	Entry   *whitelistLine `json:"entry"`
}

func lineOf(e whitelist.Entry) whitelistLine {
	return whitelistLine{Line: e.Line, Address: e.Address(), Comment: e.Comment}
}

func (s *Server) whitelistEndpoints() []endpoint {
	const forAll = "For credentials of all domains."
	address := parameter{name: "address", about: "An IP address or a CIDR.", required: true}
	lockout := parameter{name: "allow_lockout", about: "true: even where the caller's own address is not on it any more.", kind: kindFlag}
	edits := []fault.Code{fault.MissingParameters, fault.Conflict, fault.Lockout, fault.NotWritable}
	return []endpoint{
		{
			id: "getWhitelist", summary: "Show the whitelist, and who was denied lately", note: forAll, methods: []string{"GET"}, path: "/v1/whitelist",
			entry: signedIn, scopes: toAdmin, answer: ofAllDomains(s.getWhitelist),
			replies: []reply{{status: 200, about: "The file.", body: whitelistView{}}},
		},
		{
			id: "addToWhitelist", summary: "Add an address", note: forAll, methods: []string{"POST"}, path: "/v1/whitelist",
			entry: signedIn, scopes: toAdmin, answer: ofAllDomains(s.addToWhitelist),
			params: []parameter{address, {name: "comment", about: "What is written behind it.", most: whitelist.MaxComment}, lockout},
			replies: []reply{
				{status: 200, about: "It was covered already.", body: whitelistAdded{}},
				{status: 201, about: "It was added.", body: whitelistAdded{}},
			},
			faults: edits,
		},
		{
			id: "removeFromWhitelist", summary: "Remove an address", note: forAll, methods: []string{"DELETE"}, path: "/v1/whitelist",
			entry: signedIn, scopes: toAdmin, answer: ofAllDomains(s.removeFromWhitelist),
			params:  []parameter{address, lockout},
			replies: []reply{{status: 200, about: "It was removed.", body: whitelistRemoved{}}},
			faults:  append([]fault.Code{fault.NotFound}, edits...),
		},
		{
			id: "replaceWhitelist", summary: "Replace the file", note: forAll, methods: []string{"PUT"}, path: "/v1/whitelist",
			entry: signedIn, scopes: toAdmin, answer: ofAllDomains(s.replaceWhitelist),
			params: []parameter{
				{name: textParam, about: "The whole file.", required: true},
				{name: "version", about: "Of the text that was edited.", required: true},
				lockout,
			},
			replies: []reply{{status: 200, about: "It was replaced.", body: whitelistReplaced{}}},
			faults:  edits,
		},
		{
			id: "checkWhitelist", summary: "May an address call?", note: forAll, methods: []string{"GET"}, path: "/v1/whitelist/check",
			entry: signedIn, scopes: toAdmin, answer: ofAllDomains(s.checkWhitelist),
			params:  []parameter{{name: "address", about: "An IP address.", required: true}},
			replies: []reply{{status: 200, about: "Whether it may, and by which entry.", body: whitelistChecked{}}},
			faults:  []fault.Code{fault.MissingParameters},
		},
	}
}

// ofAllDomains lets in whoever is in charge of all domains: the whitelist is everybody's.
func ofAllDomains(h handler) handler {
	return func(r *request) error {
		if !r.caller.Domains.All {
			return fault.Errorf(fault.Forbidden, "the whitelist decides who may call for any domain, and these credentials are for %s alone; use a superadmin's or a token's for all domains", r.caller.Domains.Names())
		}
		return h(r)
	}
}

func (s *Server) whitelistFile() whitelist.File { return whitelist.File{Path: s.settings.Whitelist} }

// getWhitelist shows the file.
func (s *Server) getWhitelist(r *request) error {
	doc, err := s.whitelistFile().Read()
	trouble := err
	if err != nil {
		doc = whitelist.Parse(nil)
	} else {
		_, trouble = doc.Set()
	}
	view := whitelistView{File: s.settings.Whitelist, Version: doc.Version(), Entries: []whitelistLine{}, InEffect: s.whitelist.Count(), Denied: []deniedView{}}
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
	denied, err := audit.DeniedLately(r.context(), s.pbx.Pool, fault.NotWhitelisted)
	if err != nil {
		return err
	}
	for _, d := range denied {
		addr, err := netip.ParseAddr(d.Address)
		view.Denied = append(view.Denied, deniedView{Denied: d, Allowed: err == nil && s.whitelist.Allows(addr)})
	}
	r.answer(http.StatusOK, view)
	return nil
}

// checkWhitelist says whether an address may call.
func (s *Server) checkWhitelist(r *request) error {
	text := r.params.get("address")
	if text == "" {
		return fault.Missing("address")
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return fault.Invalid("address", "is not an IP address; write one such as 192.0.2.1 or 2001:db8::1")
	}
	addr = addr.Unmap()
	answer := whitelistChecked{Address: addr.String(), Allowed: s.whitelist.Allows(addr)}
	if doc, err := s.whitelistFile().Read(); err == nil && answer.Allowed {
		if entry, found := doc.CoveringAddr(addr); found {
			line := lineOf(entry)
			answer.Entry = &line
		}
	}
	r.answer(http.StatusOK, answer)
	return nil
}

// addToWhitelist adds a line for an address or CIDR.
func (s *Server) addToWhitelist(r *request) error {
	network, guard, err := r.whitelistEdit()
	if err != nil {
		return err
	}
	comment := r.params.get("comment")
	if err := whitelist.CheckComment(comment); err != nil {
		return fault.Invalid("comment", "%v", err)
	}
	done, err := s.whitelistFile().Add(r.context(), network, comment, guard)
	if err != nil {
		return whitelistFailure("address", err)
	}
	status := http.StatusOK
	if done.Changed {
		status = http.StatusCreated
		r.whitelistChanged("whitelist.add", done.Entry.Address())
	}
	r.answer(status, whitelistAdded{Added: done.Changed, Entry: lineOf(done.Entry), Version: done.Document.Version()})
	return nil
}

// removeFromWhitelist takes out the line of an address or CIDR. The parameter address names it: a CIDR
// has a slash, which a path would split.
func (s *Server) removeFromWhitelist(r *request) error {
	network, guard, err := r.whitelistEdit()
	if err != nil {
		return err
	}
	done, err := s.whitelistFile().Remove(r.context(), network, guard)
	if err != nil {
		return whitelistFailure("address", err)
	}
	r.whitelistChanged("whitelist.remove", done.Entries[0].Address())
	answer := whitelistRemoved{Version: done.Document.Version()}
	for _, entry := range done.Entries {
		answer.Removed = append(answer.Removed, lineOf(entry))
	}
	if done.Covering != nil {
		line := lineOf(*done.Covering)
		answer.StillAllowedBy = &line
	}
	r.answer(http.StatusOK, answer)
	return nil
}

// replaceWhitelist writes the whole text in place of the version that the caller has read.
func (s *Server) replaceWhitelist(r *request) error {
	var absent []string
	for _, name := range []string{textParam, "version"} {
		if !r.params.has(name) {
			absent = append(absent, name)
		}
	}
	if len(absent) > 0 {
		return fault.Missing(absent...)
	}
	guard, err := r.guard()
	if err != nil {
		return err
	}
	before := r.params.get("version")
	doc, err := s.whitelistFile().Replace(r.context(), []byte(r.params.raw(textParam)), before, guard)
	if err != nil {
		return whitelistFailure(textParam, err)
	}
	entries := len(doc.Entries())
	if doc.Version() != before {
		r.whitelistChanged("whitelist.replace", fmt.Sprintf("%d entries", entries))
	}
	r.answer(http.StatusOK, whitelistReplaced{Entries: entries, Version: doc.Version()})
	return nil
}

// whitelistEdit reads what adding and removing have in common.
func (r *request) whitelistEdit() (network netip.Prefix, g whitelist.Guard, err error) {
	text := r.params.get("address")
	if text == "" {
		return network, g, fault.Missing("address")
	}
	if network, err = whitelist.ParseNetwork(text); err != nil {
		return network, g, fault.Invalid("address", "%v", err)
	}
	g, err = r.guard()
	return network, g, err
}

// guard keeps the caller's own address on the list, unless the caller says that it may go.
func (r *request) guard() (whitelist.Guard, error) {
	allow, err := r.flag("allow_lockout")
	return whitelist.Guard{Keep: r.address, AllowLockout: allow}, err
}

// whitelistChanged puts a change into effect here, before it is answered, and records it. Other
// processes see it in the file.
func (r *request) whitelistChanged(action, subject string) {
	r.s.whitelist.Reload()
	r.changed(action, subject)
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
