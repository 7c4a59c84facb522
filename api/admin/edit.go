package admin

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/whitelist"
)

// WhitelistAdded is the answer of adding an address.
type WhitelistAdded struct {
	Added   bool           `json:"added"` // false: it was covered already
	Entry   WhitelistEntry `json:"entry"` // the new line, or the one that holds the address already
	Version string         `json:"version"`
}

// WhitelistRemoved is the answer of removing an address.
type WhitelistRemoved struct {
	Removed        []WhitelistEntry `json:"removed"`
	StillAllowedBy *WhitelistEntry  `json:"still_allowed_by"` // a wider entry that holds the address
	Version        string           `json:"version"`
}

// WhitelistReplaced is the answer of replacing the file.
type WhitelistReplaced struct {
	Entries int    `json:"entries"` // how many there are now
	Version string `json:"version"`
}

// addToWhitelist answers with 201 if there is a new line.
func (s *Service) addToWhitelist(r *web.Request) error {
	answer, err := s.AddToWhitelist(r)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if answer.Added {
		status = http.StatusCreated
	}
	r.Answer(status, answer)
	return nil
}

// AddToWhitelist adds a line for an address or CIDR.
func (s *Service) AddToWhitelist(r *web.Request) (answer WhitelistAdded, err error) {
	network, editor, err := whitelistEdit(r)
	if err != nil {
		return answer, err
	}
	comment := r.Params.Get("comment")
	if err := whitelist.CheckComment(comment); err != nil {
		return answer, fault.Invalid("comment", "%v", err)
	}
	done, err := s.file.Add(r.Context(), network, comment, editor)
	if err != nil {
		return answer, whitelistFailure("address", err)
	}
	if done.Changed {
		s.whitelistChanged(r, "whitelist.add", done.Entry.Address())
	}
	return WhitelistAdded{Added: done.Changed, Entry: lineOf(done.Entry), Version: done.Document.Version()}, nil
}

// RemoveFromWhitelist takes out the line of an address or CIDR. The parameter address names it: a CIDR
// has a slash, which a path would split.
func (s *Service) RemoveFromWhitelist(r *web.Request) (answer WhitelistRemoved, err error) {
	network, editor, err := whitelistEdit(r)
	if err != nil {
		return answer, err
	}
	done, err := s.file.Remove(r.Context(), network, editor)
	if err != nil {
		return answer, whitelistFailure("address", err)
	}
	s.whitelistChanged(r, "whitelist.remove", done.Entries[0].Address())
	answer = WhitelistRemoved{Version: done.Document.Version()}
	for _, entry := range done.Entries {
		answer.Removed = append(answer.Removed, lineOf(entry))
	}
	if done.Covering != nil {
		line := lineOf(*done.Covering)
		answer.StillAllowedBy = &line
	}
	return answer, nil
}

// textParam is the parameter that is the whole file.
const textParam = "text"

// ReplaceWhitelist writes the whole text in place of the version that the caller has read.
func (s *Service) ReplaceWhitelist(r *web.Request) (answer WhitelistReplaced, err error) {
	if absent := slices.DeleteFunc([]string{textParam, "version"}, r.Params.Has); len(absent) > 0 {
		return answer, fault.Missing(absent...)
	}
	editor, err := editorOf(r)
	if err != nil {
		return answer, err
	}
	before := r.Params.Get("version")
	doc, err := s.file.Replace(r.Context(), []byte(r.Params.Raw(textParam)), before, editor)
	if err != nil {
		return answer, whitelistFailure(textParam, err)
	}
	entries := len(doc.Entries())
	if doc.Version() != before {
		s.whitelistChanged(r, "whitelist.replace", fmt.Sprintf("%d entries", entries))
	}
	return WhitelistReplaced{Entries: entries, Version: doc.Version()}, nil
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

// whitelistFailure words why an edit was not made of what that parameter asked for.
func whitelistFailure(parameter string, err error) error {
	switch {
	case fault.Is(err, fault.Lockout):
		return fault.Errorf(fault.Lockout, "%w; send allow_lockout=true to make it all the same", err)
	case fault.Is(err, fault.InvalidRequest):
		return fault.Errorf(fault.InvalidRequest, "%s: %w", parameter, err)
	}
	return err
}
