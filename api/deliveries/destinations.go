package deliveries

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"trunkline/api/web"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/sftp"
	"trunkline/internal/fault"
	"trunkline/internal/tenant"
	"trunkline/internal/token"
)

// Destination is where files are brought, as callers see it: without its credentials, which nobody does.
type Destination struct {
	ID             string          `json:"id" format:"uuid"`
	DomainUUID     string          `json:"domain_uuid,omitempty" format:"uuid"` // absent: it is of all domains
	Domain         string          `json:"tenant_domain,omitempty"`             // its name, or the uuid of one that was deleted
	Name           string          `json:"name"`
	Kind           string          `json:"kind"`
	Settings       json.RawMessage `json:"settings"`        // how it is reached, as its kind has it
	HasCredentials bool            `json:"has_credentials"` // some are kept
	Enabled        bool            `json:"enabled"`
	CreatedBy      string          `json:"created_by"`
	CreatedAt      time.Time       `json:"created_at"`
	ChangedAt      time.Time       `json:"changed_at"`
	Test           *Test           `json:"test,omitempty"`      // what its test has found, if it was tested now
	LastTest       *Tested         `json:"last_test,omitempty"` // absent: it was never tested
	// HostKeyFingerprint is that of the pinned key of an SFTP server, as people compare them: SHA256:...
	HostKeyFingerprint string `json:"host_key_fingerprint,omitempty"`
	// Failed is how many deliveries there have failed and were not sent again since.
	Failed int `json:"failed_deliveries"`
	// Schedules are those that deliver there, of one that is shown alone, up to 50.
	Schedules []User `json:"schedules,omitempty"`
	// Secret is what a receiver checks messages with (whsec_...), if it was made now: it is not shown again.
	Secret string `json:"secret,omitempty"`
}

// Test is what the test of a destination has found.
type Test struct {
	delivery.Report
	Pinned bool `json:"pinned,omitempty"` // the server's key was pinned now: compare it with what the server's owner says
}

// Tested is what the last test of a destination has found.
type Tested struct {
	At      time.Time `json:"at"`
	Message string    `json:"message,omitempty"`  // what was tried, in words
	HostKey string    `json:"host_key,omitempty"` // of an SFTP server: its key as known_hosts has it
	// HostKeyFingerprint is that key's, as people compare them: SHA256:...
	HostKeyFingerprint string   `json:"host_key_fingerprint,omitempty"`
	Error              *Failure `json:"error,omitempty"` // why files could not be delivered
}

// User is a schedule that delivers to a destination.
type User struct {
	ID   string `json:"id" format:"uuid"`
	Name string `json:"name"`
}

// DestinationPage is one page of the list, newest first.
type DestinationPage struct {
	Destinations []Destination `json:"destinations"`
	Next         string        `json:"next,omitempty"` // the after of the next page; absent on the last one
}

// FieldParams are the settings and credentials of all kinds.
func FieldParams() (all []web.Param) {
	for _, f := range destinations.Fields() {
		p := web.Param{Name: f.Name, About: f.About}
		switch f.Type {
		case destinations.Lines:
			p.Kind = web.KindLines
		case destinations.Number:
			p.Kind = web.KindNumberOrEmpty
		case destinations.Flag:
			p.Kind = web.KindFlag
		}
		all = append(all, p)
	}
	return all
}

func (s *Service) destinationEndpoints() []web.Endpoint {
	const seeing, making = token.ScopeExport, token.ScopeAdmin // whoever makes one has to be allowed to get what it gets
	ofOne := []web.Param{
		{Name: "tenant_domain", About: "Whose it is, or global for all domains (superadmin). A caller of one domain may leave it out."},
		{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
	}
	kind := web.Param{Name: "kind", About: "Of what kind it is.", Required: true, Choices: destinations.Kinds()}
	name := web.Param{Name: "name", About: "Unique among the domain's."}
	enabled := web.Param{Name: "enabled", About: "false: nothing is delivered there.", Kind: web.KindFlag}
	test := web.Param{Name: "test", About: "false: it is kept without a test. Else what cannot be reached or written to is refused.", Kind: web.KindFlag}
	required := func(p web.Param) web.Param { p.Required = true; return p }
	tested := []fault.Code{fault.Unavailable, fault.Timeout, fault.DeliveryRefused, fault.InsufficientStorage, fault.Conflict}
	return []web.Endpoint{
		{
			ID: "listDestinations", Summary: "List destinations, newest first", Methods: []string{"GET"}, Path: "/v1/destinations",
			Entry: web.SignedIn, Scope: seeing, Answer: web.JSON(http.StatusOK, s.Destinations),
			Params: slices.Concat([]web.Param{
				{Name: "kind", About: "Those of a kind.", Choices: destinations.Kinds()},
				{Name: "tenant_domain", About: "The domain, or global for those of all. Left out: all that the caller sees."},
				{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
			}, web.PageParams),
			Replies: []web.Reply{{Status: 200, About: "A page.", Body: DestinationPage{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "createDestination", Summary: "Make a destination", Methods: []string{"POST"}, Path: "/v1/destinations",
			Entry: web.SignedIn, Scope: making, Also: seeing, AtOnce: []web.AtOnce{web.AtOnceTests}, Answer: web.JSON(http.StatusCreated, s.CreateDestination),
			Params:  slices.Concat([]web.Param{required(name), kind, enabled, test}, ofOne, FieldParams()),
			Replies: []web.Reply{{Status: 201, About: "The destination, without its credentials.", Body: Destination{}, Location: true}},
			Faults:  append([]fault.Code{fault.MissingParameters, fault.NotFound}, tested...),
		},
		{
			ID: "testNewDestination", Summary: "Test a destination before it is made", Methods: []string{"POST"}, Path: "/v1/destinations/test",
			Entry: web.SignedIn, Scope: making, Also: seeing, AtOnce: []web.AtOnce{web.AtOnceTests}, Answer: web.JSON(http.StatusOK, s.TestNewDestination),
			Params:  slices.Concat([]web.Param{kind}, ofOne, FieldParams()),
			Replies: []web.Reply{{Status: 200, About: "Files could be delivered now; or what has to be pinned first.", Body: Test{}}},
			Faults:  append([]fault.Code{fault.MissingParameters, fault.NotFound}, tested...),
		},
		{
			ID: "getDestination", Summary: "Show a destination", Methods: []string{"GET"}, Path: "/v1/destinations/:id",
			Entry: web.SignedIn, Scope: seeing, Answer: web.JSON(http.StatusOK, s.Destination),
			Replies: []web.Reply{{Status: 200, About: "The destination, without its credentials.", Body: Destination{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "changeDestination", Summary: "Change a destination", Methods: []string{"PATCH"}, Path: "/v1/destinations/:id",
			Note:  "What is left out stays, what is sent empty is cleared. Whoever changes where the credentials are sent gives them anew.",
			Entry: web.SignedIn, Scope: making, Also: seeing, AtOnce: []web.AtOnce{web.AtOnceTests}, Answer: web.JSON(http.StatusOK, s.ChangeDestination),
			Params:  slices.Concat([]web.Param{name, enabled}, FieldParams()),
			Replies: []web.Reply{{Status: 200, About: "The destination as it is now.", Body: Destination{}}},
			Faults:  []fault.Code{fault.NotFound, fault.Conflict},
		},
		{
			ID: "deleteDestination", Summary: "Delete a destination", Methods: []string{"DELETE"}, Path: "/v1/destinations/:id",
			Note:  "What was to be delivered there fails.",
			Entry: web.SignedIn, Scope: making, Also: seeing, Answer: web.JSON(http.StatusOK, s.DeleteDestination),
			Replies: []web.Reply{{Status: 200, About: "The destination as it was.", Body: Destination{}}},
			Faults:  []fault.Code{fault.NotFound, fault.Conflict},
		},
		{
			ID: "testDestination", Summary: "Test a destination", Methods: []string{"POST"}, Path: "/v1/destinations/:id/test",
			Note:  "It is reached, a file is written and taken away. The key of an SFTP server of which none is pinned yet is pinned.",
			Entry: web.SignedIn, Scope: making, Also: seeing, AtOnce: []web.AtOnce{web.AtOnceTests}, Answer: web.JSON(http.StatusOK, s.TestDestination),
			Replies: []web.Reply{{Status: 200, About: "Files could be delivered now.", Body: Test{}}},
			Faults:  append([]fault.Code{fault.NotFound}, tested...),
		},
		{
			ID: "rotateDestination", Summary: "Give a webhook a new secret", Methods: []string{"POST"}, Path: "/v1/destinations/:id/rotate",
			Note:  "Messages are signed with the new and the old one until the grace is over.",
			Entry: web.SignedIn, Scope: making, Also: seeing, Answer: web.JSON(http.StatusOK, s.RotateDestination),
			Params:  []web.Param{graceParam},
			Replies: []web.Reply{{Status: 200, About: "The destination, with its new secret.", Body: Destination{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
	}
}

// RotateDestination gives the path's destination a new secret and shows it, this once. What is sent is signed with the old one
// too for the grace.
func (s *Service) RotateDestination(r *web.Request) (view Destination, err error) {
	grace, err := s.grace(r)
	if err != nil {
		return view, err
	}
	d, err := s.destinations.Rotate(r.Context(), r.Path("id"), r.Caller.Domains, grace)
	if err != nil {
		return view, err
	}
	r.Changed("destination.rotate", subject(d), d.DomainUUID)
	return s.view(r, d)
}

// Destinations lists the destinations that the caller may see, newest first, in pages by key.
func (s *Service) Destinations(r *web.Request) (page DestinationPage, err error) {
	f := destinations.Filter{Domains: r.Caller.Domains, Kind: r.Params.Get("kind")}
	if f.Kind != "" && !slices.Contains(destinations.Kinds(), f.Kind) {
		return page, fault.Invalid("kind", "%q is no kind of destination", fault.Clip(f.Kind))
	}
	if f.Domains, f.NoDomain, err = domainsOf(r); err != nil {
		return page, err
	}
	if f.After, f.Limit, err = r.Params.Page(); err != nil {
		return page, err
	}
	found, next, err := s.destinations.List(r.Context(), f)
	if err != nil {
		return page, err
	}
	page.Next = next
	page.Destinations, err = s.views(r, found...)
	return page, err
}

// domainsOf are the domains that a list is about, and whether it is only about what is of all domains.
func domainsOf(r *web.Request) (domains tenant.Domains, none bool, err error) {
	d, named, err := r.Tenant()
	switch {
	case err != nil || !named:
		return r.Caller.Domains, false, err
	case d.UUID == "":
		return tenant.All, true, nil
	}
	return tenant.Only(d), false, nil
}

// Destination shows the path's destination.
func (s *Service) Destination(r *web.Request) (Destination, error) {
	d, err := s.destinations.Get(r.Context(), r.Path("id"), r.Caller.Domains)
	if err != nil {
		return Destination{}, err
	}
	view, err := s.view(r, d)
	if err != nil {
		return view, err
	}
	users, err := s.destinations.Users(r.Context(), d.ID)
	for _, u := range users {
		view.Schedules = append(view.Schedules, User{u.ID, u.Name})
	}
	return view, err
}

// CreateDestination makes a destination that files can be delivered to.
func (s *Service) CreateDestination(r *web.Request) (view Destination, err error) {
	given, err := s.given(r, "name", "kind")
	if err != nil {
		return view, err
	}
	given.Name = r.Params.Get("name")
	if given.Enabled, err = flagOr(r, "enabled", true); err != nil {
		return view, err
	}
	test, err := flagOr(r, "test", true)
	if err != nil {
		return view, err
	}
	var report *Test
	if test {
		if report, err = s.testGiven(r, given); err != nil {
			return view, err
		}
		given.LastTest = destinations.NewTested(report.Report, nil)
	}
	d, err := s.destinations.Create(r.Context(), given)
	if err != nil {
		return view, err
	}
	r.Changed("destination.create", subject(d), d.DomainUUID)
	r.SetHeader("Location", "/v1/destinations/"+d.ID)
	view, err = s.view(r, d)
	view.Test = report
	return view, err
}

// TestNewDestination tests what is not kept.
func (s *Service) TestNewDestination(r *web.Request) (*Test, error) {
	given, err := s.given(r, "kind")
	if err != nil {
		return nil, err
	}
	return s.testGiven(r, given)
}

func (s *Service) testGiven(r *web.Request, given destinations.Given) (*Test, error) {
	leave, err := r.Place(web.AtOnceTests, given.DomainUUID)
	if err != nil {
		return nil, err
	}
	defer leave()
	report, err := s.destinations.TestGiven(r.Context(), given)
	return &Test{Report: report}, err
}

// TestDestination tests the path's destination.
func (s *Service) TestDestination(r *web.Request) (*Test, error) {
	d, err := s.destinations.Get(r.Context(), r.Path("id"), r.Caller.Domains)
	if err != nil {
		return nil, err
	}
	leave, err := r.Place(web.AtOnceTests, d.DomainUUID)
	if err != nil {
		return nil, err
	}
	defer leave()
	report, pinned, err := s.destinations.Test(r.Context(), d)
	if pinned {
		r.Changed("destination.pin", subject(d), d.DomainUUID)
	}
	return &Test{report, pinned}, err
}

// ChangeDestination changes the path's destination.
func (s *Service) ChangeDestination(r *web.Request) (Destination, error) { return s.change(r, nil) }

// EditDestination is ChangeDestination of a destination that was seen when it had last been changed at that time. Errors: also
// a fault.PreconditionFailed, if it was changed since.
func (s *Service) EditDestination(r *web.Request, seen time.Time) (Destination, error) {
	return s.change(r, &seen)
}

func (s *Service) change(r *web.Request, seen *time.Time) (view Destination, err error) {
	change := destinations.Change{Values: values(r), Seen: seen}
	if r.Params.Has("name") {
		change.Name = new(r.Params.Get("name"))
	}
	if r.Params.Get("enabled") != "" {
		enabled, err := r.Params.Flag("enabled")
		if err != nil {
			return view, err
		}
		change.Enabled = &enabled
	}
	d, err := s.destinations.Change(r.Context(), r.Path("id"), r.Caller.Domains, change)
	if err != nil {
		return view, err
	}
	r.Changed("destination.change", subject(d), d.DomainUUID)
	return s.view(r, d)
}

// DeleteDestination deletes the path's destination.
func (s *Service) DeleteDestination(r *web.Request) (view Destination, err error) {
	d, err := s.destinations.Delete(r.Context(), r.Path("id"), r.Caller.Domains)
	if err != nil {
		return view, err
	}
	r.Changed("destination.delete", subject(d), d.DomainUUID)
	return s.view(r, d)
}

// given is what the parameters describe, of which these have to be there.
func (s *Service) given(r *web.Request, required ...string) (g destinations.Given, err error) {
	if absent := r.Params.Absent(required...); len(absent) > 0 {
		return g, fault.Missing(absent...)
	}
	of, err := r.OneTenant()
	return destinations.Given{DomainUUID: of.UUID, Kind: r.Params.Get("kind"), Values: values(r), CreatedBy: r.Caller.Name}, err
}

// values are the settings and credentials that were given.
func values(r *web.Request) destinations.Values {
	given := destinations.Values{}
	for _, f := range destinations.Fields() {
		if !r.Params.Has(f.Name) {
			continue
		}
		if given[f.Name] = r.Params.Get(f.Name); f.Secret {
			given[f.Name] = r.Params.Raw(f.Name)
		}
	}
	return given
}

// flagOr reads what is true or false, and usual if it is not given.
func flagOr(r *web.Request, name string, usual bool) (bool, error) {
	if r.Params.Get(name) == "" {
		return usual, nil
	}
	return r.Params.Flag(name)
}

// subject names a destination in the record of changes: its name can be another's later.
func subject(d destinations.Destination) string { return d.ID + " " + d.Name }

func (s *Service) view(r *web.Request, d destinations.Destination) (Destination, error) {
	views, err := s.views(r, d)
	if err != nil {
		return Destination{}, err
	}
	return views[0], nil
}

func (s *Service) views(r *web.Request, all ...destinations.Destination) ([]Destination, error) {
	var uuids, ids []string
	for _, d := range all {
		uuids, ids = append(uuids, d.DomainUUID), append(ids, d.ID)
	}
	names, err := s.namesOf(r.Context(), uuids)
	if err != nil {
		return nil, err
	}
	failed, err := s.outbox.FailedOf(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	views := make([]Destination, len(all))
	for i, d := range all {
		views[i] = Destination{
			ID: d.ID, DomainUUID: d.DomainUUID, Domain: domainName(names, d.DomainUUID), Name: d.Name, Kind: d.Kind, Settings: d.Settings,
			HasCredentials: d.HasCredentials, Secret: d.Secret, Enabled: d.Enabled, CreatedBy: d.CreatedBy, CreatedAt: d.CreatedAt, ChangedAt: d.ChangedAt,
			HostKeyFingerprint: sftp.Fingerprint(destinations.HostKey(d.Settings)), Failed: failed[d.ID],
		}
		if t := d.LastTest; t != nil {
			views[i].LastTest = &Tested{At: t.At, Message: t.Message, HostKey: t.HostKey, HostKeyFingerprint: sftp.Fingerprint(t.HostKey)}
			if t.Code != "" {
				views[i].LastTest.Error = &Failure{t.Code, t.Problem}
			}
		}
	}
	return views, nil
}
