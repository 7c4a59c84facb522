package console

import (
	"net/http"

	"trunkline/api/admin"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
	"trunkline/internal/whitelist"
)

// lockoutParam makes an edit by which its own author is locked out.
var lockoutParam = web.Param{Name: "allow_lockout", Kind: web.KindFlag}

var whitelistPage = page{
	path: "/whitelist", title: "Whitelist", template: "whitelist", scope: token.ScopeAdmin, overall: true, show: (*Service).whitelist,
	params: []web.Param{{Name: "check"}},
	actions: []action{
		{
			path: "/whitelist/add", scope: token.ScopeAdmin, do: (*Service).allow, again: whitelistAgain("add"),
			params: []web.Param{{Name: "address"}, {Name: "comment", Most: whitelist.MaxComment}, lockoutParam},
		},
		{
			path: "/whitelist/remove", scope: token.ScopeAdmin, do: (*Service).disallow, again: whitelistAgain("remove"),
			params: []web.Param{{Name: "address"}, lockoutParam},
		},
		{
			path: "/whitelist/text", scope: token.ScopeAdmin, do: (*Service).replaceWhitelist, again: whitelistAgain("text"),
			params: []web.Param{{Name: "text", Kind: web.KindLines}, {Name: "version"}, lockoutParam},
		},
		{
			path: "/whitelist/judge", scope: token.ScopeAdmin, answer: (*Service).judgeWhitelist,
			params: []web.Param{{Name: "text", Kind: web.KindLines}, {Name: "version"}},
		},
	},
}

// whitelisted is the page of the whitelist.
type whitelisted struct {
	admin.Whitelist
	Own     string // the address from which one looks
	Text    string // what the field has: the file, or what was typed
	Judged  bool   // the faults are those of what was typed
	Faults  []whitelist.BrokenLine
	More    int // how many more there are
	Checked *admin.WhitelistCheck
	Problem string   // why the last edit was not made
	Confirm *confirm // the edit would lock its author out
}

// confirm is an edit that is made if it is asked for again.
type confirm struct {
	Path                          string
	Address, Comment, Text, Stood string // what it was asked for with; Stood is the version
}

// maxFaults is how many faults of a text are shown.
const maxFaults = 50

func (s *Service) whitelist(r *web.Request) (any, error) {
	p, err := s.whitelisted(r)
	if err != nil {
		return nil, err
	}
	if address := r.Params.Get("check"); address != "" {
		checked, err := s.Admin.CheckWhitelist(r.With(params.Values{"address": address}))
		if err != nil {
			p.Problem = r.Words(err)
		} else {
			p.Checked = &checked
		}
	}
	return p, nil
}

// whitelisted is the file as it stands.
func (s *Service) whitelisted(r *web.Request) (whitelisted, error) {
	p := whitelisted{Own: r.Address.String()}
	var err error
	if p.Whitelist, err = s.Admin.Whitelist(r.With(params.Values{})); err != nil {
		return p, err
	}
	if p.Whitelist.Text != nil {
		p.Text = *p.Whitelist.Text
		p.judge(p.Text)
	}
	return p, nil
}

// judge takes note of what is wrong with the text, line by line.
func (p *whitelisted) judge(text string) {
	broken := whitelist.Parse([]byte(text)).Broken()
	p.Faults, p.More = broken[:min(len(broken), maxFaults)], max(0, len(broken)-maxFaults)
}

func (s *Service) allow(r *web.Request) (next string, err error) {
	_, err = s.Admin.AddToWhitelist(r)
	return "/whitelist", err
}

func (s *Service) disallow(r *web.Request) (next string, err error) {
	_, err = s.Admin.RemoveFromWhitelist(r)
	return "/whitelist", err
}

func (s *Service) replaceWhitelist(r *web.Request) (next string, err error) {
	_, err = s.Admin.ReplaceWhitelist(r)
	return "/whitelist", err
}

// judgeWhitelist shows the page with what is wrong with the text that was typed, and changes nothing.
func (s *Service) judgeWhitelist(r *web.Request) (shown, error) {
	p, err := s.whitelisted(r)
	p.typed(r)
	return shown{http.StatusOK, "whitelist", "Whitelist", p}, err
}

// typed keeps the text that was typed, with the version that it is an edit of.
func (p *whitelisted) typed(r *web.Request) {
	p.Text, p.Version, p.Judged = r.Params.Raw("text"), r.Params.Get("version"), true
	p.judge(p.Text)
}

// whitelistAgain shows the page with why the edit was not made, and lets one confirm what would lock oneself out.
func whitelistAgain(edit string) func(*Service, *web.Request, *fault.Error) (any, error) {
	return func(s *Service, r *web.Request, f *fault.Error) (any, error) {
		p, err := s.whitelisted(r)
		if err != nil {
			return nil, err
		}
		if edit == "text" {
			p.typed(r)
		}
		if p.Problem = f.Message; f.Code == fault.Lockout {
			p.Confirm = &confirm{
				Path: home + "/whitelist/" + edit, Address: r.Params.Get("address"), Comment: r.Params.Get("comment"),
				Text: r.Params.Raw("text"), Stood: r.Params.Get("version"),
			}
			p.Problem = "You would lock yourself out: after this edit your address " + p.Own + " would not be on the whitelist any more, or nobody's would. Nothing was changed."
		}
		return p, nil
	}
}
