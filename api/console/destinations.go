package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"trunkline/api/deliveries"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

var destinationsPage = page{
	path: "/destinations", title: "Destinations", template: "destinations", scope: token.ScopeExport, show: (*Service).destinations,
	params: []web.Param{{Name: "kind"}, {Name: "tenant_domain"}, {Name: "after"}, {Name: "limit"}},
}

var destinationPage = page{
	path: "/destinations/:id", title: "Destination", template: "destination", unlisted: true, scope: token.ScopeExport, show: (*Service).destination,
	params: []web.Param{{Name: "after"}},
	actions: []action{
		{
			path: "/destinations/:id/test", scope: token.ScopeAdmin, also: token.ScopeExport, atOnce: []web.AtOnce{web.AtOnceTests},
			answer: (*Service).testDestination, again: (*Service).notTested,
		},
		{
			path: "/destinations/:id/host-key", scope: token.ScopeAdmin, also: token.ScopeExport, do: (*Service).pinHostKey, again: (*Service).destinationAgain,
			params: []web.Param{{Name: "host_key"}},
		},
		{
			path: "/destinations/:id/rotate", scope: token.ScopeAdmin, also: token.ScopeExport, answer: (*Service).rotateDestination, again: (*Service).destinationNotRotated,
			params: []web.Param{{Name: "grace"}},
		},
	},
}

// destinationDeletionPage asks whether it is meant, and its form does it.
var destinationDeletionPage = page{
	path: "/destinations/:id/delete", title: "Delete the destination", template: "destinationdeletion", unlisted: true,
	scope: token.ScopeAdmin, also: token.ScopeExport, show: (*Service).destinationDeletion,
	actions: []action{{
		path: "/destinations/:id/delete", scope: token.ScopeAdmin, also: token.ScopeExport, do: (*Service).deleteDestination, again: (*Service).destinationNotDeleted,
	}},
}

// broughtShown is how many deliveries the page of a destination has.
const broughtShown = "20"

// destinationList is a page of the list of destinations.
type destinationList struct {
	Destinations []destinationView
	Kinds        []string
	Filtered     bool // something is asked for
	MayChange    bool
	Pager        pager
}

// destinationView is one destination.
type destinationView struct {
	deliveries.Destination
	Address string // where it lies, without anything secret
	Since   bool   // it was changed after its last test
}

// oneDestination is the page of one destination.
type oneDestination struct {
	destinationView
	Shown     []setting
	Brought   []deliveries.Delivery
	Pager     pager
	MayChange bool
	Signs     bool       // it has a secret that we make
	OldUntil  *time.Time // until when messages are signed with the one before it too
	Rotate    form
	Problem   string // why what was asked for was not done
}

// doneTo is what came of a form about a destination.
type doneTo struct {
	destinationView
	Secret string // shown this once
	// Found is the key that the server has shown and that is to be compared; Pinned: it is pinned already.
	Found, Fingerprint string
	Pinned             bool
}

func mayChangeDestinations(r *web.Request) bool {
	return r.Caller.May(token.ScopeAdmin) && r.Caller.May(token.ScopeExport)
}

func (s *Service) destinations(r *web.Request) (any, error) {
	found, err := s.Deliveries.Destinations(r)
	list := destinationList{Kinds: destinations.Kinds(), Filtered: filtered(r), MayChange: mayChangeDestinations(r), Pager: newPager(r, found.Next)}
	for _, d := range found.Destinations {
		list.Destinations = append(list.Destinations, viewOfDestination(d))
	}
	return list, err
}

func viewOfDestination(d deliveries.Destination) destinationView {
	v := destinationView{Destination: d, Address: addressOfDestination(d)}
	v.Since = d.LastTest != nil && d.ChangedAt.After(d.CreatedAt) && d.LastTest.At.Before(d.ChangedAt)
	return v
}

// settingsOf are a destination's settings by name, as text.
func settingsOf(d deliveries.Destination) params.Values {
	var kept map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(d.Settings)))
	decoder.UseNumber()
	values := params.Values{}
	if decoder.Decode(&kept) != nil {
		return values
	}
	for name, value := range kept {
		values[name] = fmt.Sprint(value)
	}
	return values
}

// addressOfDestination is where it lies, in one line.
func addressOfDestination(d deliveries.Destination) string {
	of := settingsOf(d)
	host := of["host"]
	if of["port"] != "" {
		host = net.JoinHostPort(host, of["port"])
	}
	switch d.Kind {
	case "folder":
		return cmp.Or(of["folder"], "the domain's own folder")
	case "s3":
		return strings.Trim(cmp.Or(of["endpoint"], "Amazon S3")+" "+strings.TrimSuffix(of["bucket"]+"/"+of["folder"], "/"), " ")
	case "sftp":
		return strings.TrimSpace(of["login"] + "@" + host + " " + of["folder"])
	case "mail":
		return of["mail_to"] + " by " + host
	}
	return of["receiver"]
}

func (s *Service) destination(r *web.Request) (any, error) { return s.oneDestination(r) }

func (s *Service) oneDestination(r *web.Request) (one oneDestination, err error) {
	d, err := s.Deliveries.Destination(r)
	if err != nil {
		return one, err
	}
	brought, err := s.Deliveries.Deliveries(r.With(params.Values{"destination": d.ID, "after": r.Params.Get("after"), "limit": broughtShown}))
	if err != nil {
		return one, err
	}
	one = oneDestination{
		destinationView: viewOfDestination(d), Brought: brought.Deliveries, Pager: newPager(r, brought.Next),
		MayChange: mayChangeDestinations(r), Signs: destinations.SecretOfOurs(d.Kind), Rotate: graceForm(r),
	}
	of := settingsOf(d)
	for _, f := range destinations.FieldsOf(d.Kind) {
		if value := of[f.Name]; !f.Secret && value != "" {
			one.Shown = append(one.Shown, setting{labelOf(f), value})
		}
	}
	if of["receiver"] != "" {
		one.Shown = append(one.Shown, setting{"Receiver", of["receiver"]})
	}
	if until, err := time.Parse(time.RFC3339, of["old_secret_until"]); err == nil {
		one.OldUntil = &until
	}
	return one, nil
}

// graceForm is the form by which a webhook gets a new secret.
func graceForm(r *web.Request) form {
	return newForm("rotate", r.Params, field{Name: "grace", Label: "Messages are signed with the old one too for", About: "Such as 24h; 0s: not at all. Usually a day."})
}

// destinationAgain shows the destination and why nothing was done with it.
func (s *Service) destinationAgain(r *web.Request, f *fault.Error) (any, error) {
	one, err := s.oneDestination(r)
	one.Problem = f.Message
	return one, err
}

// notTested shows the destination with what its test has found.
func (s *Service) notTested(r *web.Request, f *fault.Error) (any, error) {
	return s.destinationAgain(r, &fault.Error{Code: f.Code, Message: "Files could not be delivered there now: " + f.Message})
}

func (s *Service) destinationNotRotated(r *web.Request, f *fault.Error) (any, error) {
	one, err := s.oneDestination(r)
	one.Rotate = one.Rotate.blame(f)
	return one, err
}

// testDestination shows what a test has found, and a key that was pinned by it.
func (s *Service) testDestination(r *web.Request) (shown, error) {
	tested, err := s.Deliveries.TestDestination(r)
	if err != nil {
		return shown{}, err
	}
	d, err := s.Deliveries.Destination(r)
	done := doneTo{destinationView: viewOfDestination(d)}
	if tested.Pinned {
		done.Found, done.Fingerprint, done.Pinned = tested.HostKey, d.HostKeyFingerprint, true
	}
	return shown{http.StatusOK, "destinationdone", "The destination was tested", done}, err
}

// pinHostKey pins the key that somebody has compared, or forgets the one that is pinned.
func (s *Service) pinHostKey(r *web.Request) (next string, err error) {
	d, err := s.Deliveries.ChangeDestination(r.With(params.Values{"host_key": r.Params.Get("host_key")}))
	return "/destinations/" + d.ID, err
}

func (s *Service) rotateDestination(r *web.Request) (shown, error) {
	d, err := s.Deliveries.RotateDestination(r.With(given(r, "grace")))
	return shown{http.StatusOK, "destinationdone", "The new secret", doneTo{destinationView: viewOfDestination(d), Secret: d.Secret}}, err
}

// destinationDeletion asks whether a deletion is meant.
type destinationDeletion struct {
	destinationView
	Problem string
}

func (s *Service) destinationDeletion(r *web.Request) (any, error) {
	return s.destinationNotDeleted(r, &fault.Error{})
}

func (s *Service) destinationNotDeleted(r *web.Request, f *fault.Error) (any, error) {
	d, err := s.Deliveries.Destination(r)
	return destinationDeletion{viewOfDestination(d), f.Message}, err
}

func (s *Service) deleteDestination(r *web.Request) (next string, err error) {
	_, err = s.Deliveries.DeleteDestination(r)
	return "/destinations", err
}

// labelOf is what a form calls a field.
func labelOf(f destinations.Field) string { return cmp.Or(destinationLabels[f.Name], f.Name) }

// destinationLabels are what people call the settings of destinations.
var destinationLabels = map[string]string{
	"folder": "Folder", "bucket": "Bucket", "region": "Region", "endpoint": "Server", "path_style": "Bucket in the path", "access_key": "Access key",
	"secret_key": "Secret key", "host": "Server", "port": "Port", "login": "Login", "login_password": "Password", "private_key": "Private key",
	"passphrase": "Passphrase of the private key", "make_folders": "Make the folder", "host_key": "Server's key", "events": "Events", "webhook_url": "URL",
	"tls": "TLS", "mail_from": "From", "mail_to": "To",
}

// destinationKinds are what each kind is, in words.
var destinationKinds = map[string]string{
	"folder":  "A folder on the disk of this host, such as one that another program or a backup reads.",
	"mail":    "A mail to people, with the file's figures and a link to it.",
	"s3":      "A bucket of Amazon S3, or of any server that speaks its language.",
	"webhook": "A signed message to a URL of yours, with a link to the file.",
	"sftp":    "A server that takes files by SFTP.",
}

// kindChoices are the kinds with their words.
func kindChoices() (choices []option) {
	for _, kind := range destinations.Kinds() {
		choices = append(choices, option{Value: kind, Label: destinationKinds[kind]})
	}
	slices.SortFunc(choices, func(a, b option) int { return strings.Compare(a.Value, b.Value) })
	return choices
}
