package deliveries

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline/api/web"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/internal/token"
)

// Delivery is what is brought or told to whom, as callers see it.
type Delivery struct {
	ID            string          `json:"id" format:"uuid"`
	DomainUUID    string          `json:"domain_uuid,omitempty" format:"uuid"`    // absent: of all domains
	Domain        string          `json:"tenant_domain,omitempty"`                // its name, or the uuid of one that was deleted
	JobID         string          `json:"job_id" format:"uuid"`                   // that delivers it; the last one, if it was sent again
	DestinationID string          `json:"destination_id,omitempty" format:"uuid"` // absent: it is told to a URL that was given with what it is about
	Destination   string          `json:"destination"`                            // what it was called when this was ordered
	ExportJobID   string          `json:"export_job_id,omitempty" format:"uuid"`  // the export whose file it is
	Event         string          `json:"event"`                                  // file, or what the message is about
	Name          string          `json:"name,omitempty"`                         // of the file at the destination
	State         outbox.State    `json:"state"`
	Receipt       json.RawMessage `json:"receipt,omitempty"` // once it is delivered: where it stands
	Error         *Failure        `json:"error,omitempty"`   // once it has failed
	CreatedAt     time.Time       `json:"created_at"`
	FinishedAt    *time.Time      `json:"finished_at,omitempty"`
	NextAttemptAt *time.Time      `json:"next_attempt_at,omitempty"` // of one that is shown alone and waits
	Tries         int             `json:"tries"`                     // how often it was tried
	LastStatus    *int            `json:"last_status,omitempty"`     // of the HTTP answer to the last try, where there was one
	Attempts      []Attempt       `json:"attempts,omitempty"`        // of one that is shown alone, the first one first
}

// Failure is why something was not delivered.
type Failure struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}

// Attempt is one try at a delivery.
type Attempt struct {
	Number int       `json:"number"`
	At     time.Time `json:"at"`
	// Seconds are how long it took; absent: it goes on, or its worker was lost.
	Seconds *float64 `json:"seconds,omitempty"`
	Status  *int     `json:"status,omitempty"` // of the HTTP answer, where there was one
	Error   *Failure `json:"error,omitempty"`  // absent: it was delivered, or it goes on
}

// DeliveryPage is one page of the list, newest first.
type DeliveryPage struct {
	Deliveries []Delivery `json:"deliveries"`
	Next       string     `json:"next,omitempty"` // the after of the next page; absent on the last one
}

func (s *Service) deliveryEndpoints() []web.Endpoint {
	return []web.Endpoint{
		{
			ID: "listDeliveries", Summary: "List deliveries, newest first", Methods: []string{"GET"}, Path: "/v1/deliveries",
			Entry: web.SignedIn, Scope: token.ScopeExport, Answer: web.JSON(http.StatusOK, s.Deliveries),
			Params: slices.Concat([]web.Param{
				{Name: "state", About: "Those in a state.", Choices: web.NamesOf(outbox.States)},
				{Name: "destination", About: "Those to a destination, by its id.", Kind: web.KindUUID},
				{Name: "export_job", About: "Those of an export's file, by the id of its job.", Kind: web.KindUUID},
				{Name: "schedule", About: "Those of the files of a schedule's windows, by the schedule's id.", Kind: web.KindUUID},
				{Name: "window", About: "Those of a window's files, by the window's id.", Kind: web.KindUUID},
				{Name: "event", About: "Those of files, or of messages about one thing.", Choices: outbox.Events},
				{Name: "tenant_domain", About: "The domain, or global for those of all. Left out: all that the caller sees."},
				{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
			}, web.PageParams),
			Replies: []web.Reply{{Status: 200, About: "A page.", Body: DeliveryPage{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "getDelivery", Summary: "Show a delivery with its attempts", Methods: []string{"GET"}, Path: "/v1/deliveries/:id",
			Entry: web.SignedIn, Scope: token.ScopeExport, Answer: web.JSON(http.StatusOK, s.Delivery),
			Replies: []web.Reply{{Status: 200, About: "The delivery.", Body: Delivery{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "retryDelivery", Summary: "Send a delivery again", Methods: []string{"POST"}, Path: "/v1/deliveries/:id/retry",
			Note:  "One that waits is tried now, one that has ended by a new job. It is the same bytes, and nothing at the destination is replaced.",
			Entry: web.SignedIn, Scope: token.ScopeExport, Answer: web.JSON(http.StatusAccepted, s.RetryDelivery),
			Replies: []web.Reply{{Status: 202, About: "The delivery, pending.", Body: Delivery{}}},
			Faults:  []fault.Code{fault.NotFound, fault.Conflict},
		},
	}
}

// Deliveries lists the deliveries that the caller may see, newest first, in pages by key.
func (s *Service) Deliveries(r *web.Request) (page DeliveryPage, err error) {
	f := outbox.Filter{
		State: outbox.State(r.Params.Get("state")), DestinationID: r.Params.Get("destination"), ExportJobID: r.Params.Get("export_job"),
		ScheduleID: r.Params.Get("schedule"), WindowID: r.Params.Get("window"), Event: r.Params.Get("event"),
	}
	if f.State != "" && !slices.Contains(outbox.States, f.State) {
		return page, fault.Invalid("state", "unknown state %q; use pending, delivered or failed", fault.Clip(string(f.State)))
	}
	if f.Event != "" && !slices.Contains(outbox.Events, f.Event) {
		return page, fault.Invalid("event", "unknown event %q; use %s", fault.Clip(f.Event), strings.Join(outbox.Events, ", "))
	}
	for _, id := range []string{"destination", "export_job", "schedule", "window"} {
		if given := r.Params.Get(id); given != "" && !postgres.IsUUID(given) {
			return page, fault.Invalid(id, "is not a UUID")
		}
	}
	if f.Domains, f.NoDomain, err = domainsOf(r); err != nil {
		return page, err
	}
	if f.After, f.Limit, err = r.Params.Page(); err != nil {
		return page, err
	}
	found, next, err := s.outbox.List(r.Context(), f)
	if err != nil {
		return page, err
	}
	page.Next = next
	page.Deliveries, err = s.deliveryViews(r, found...)
	return page, err
}

// Delivery shows the path's delivery, with what was tried.
func (s *Service) Delivery(r *web.Request) (Delivery, error) {
	d, err := s.outbox.Get(r.Context(), r.Path("id"), r.Caller.Domains)
	if err != nil {
		return Delivery{}, err
	}
	return s.whole(r, d)
}

// RetryDelivery has the path's delivery tried anew.
func (s *Service) RetryDelivery(r *web.Request) (Delivery, error) {
	d, err := s.outbox.SendAgain(r.Context(), r.Path("id"), r.Caller.Domains, r.Caller.ID, r.Caller.Name)
	if err != nil {
		return Delivery{}, err
	}
	r.Changed("delivery.retry", d.ID+" "+d.DestinationName, d.DomainUUID)
	r.SetHeader("Location", "/v1/deliveries/"+d.ID)
	r.SetHeader("Retry-After", strconv.Itoa(web.RetryAfter))
	return s.whole(r, d)
}

// whole is a delivery with what was tried.
func (s *Service) whole(r *web.Request, d outbox.Delivery) (Delivery, error) {
	views, err := s.deliveryViews(r, d)
	if err != nil {
		return Delivery{}, err
	}
	view := views[0]
	tries, err := s.outbox.Tries(r.Context(), d.ID)
	if err != nil {
		return view, err
	}
	for _, t := range tries {
		a := Attempt{Number: t.Number, At: t.At, Status: t.Status, Error: failure(t.Error)}
		if t.Took != nil {
			a.Seconds = new(t.Took.Seconds())
		}
		view.Attempts = append(view.Attempts, a)
	}
	view.NextAttemptAt, err = s.outbox.NextTry(r.Context(), d)
	return view, err
}

func (s *Service) deliveryViews(r *web.Request, all ...outbox.Delivery) ([]Delivery, error) {
	var uuids, ids []string
	for _, d := range all {
		uuids, ids = append(uuids, d.DomainUUID), append(ids, d.ID)
	}
	names, err := s.namesOf(r.Context(), uuids)
	if err != nil {
		return nil, err
	}
	tries, err := s.outbox.TriesOf(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	views := make([]Delivery, len(all))
	for i, d := range all {
		views[i] = Delivery{
			ID: d.ID, DomainUUID: d.DomainUUID, Domain: domainName(names, d.DomainUUID), JobID: d.JobID, DestinationID: d.DestinationID, Destination: d.DestinationName,
			ExportJobID: d.ExportJobID, Event: d.Event, Name: d.Name, State: d.State, Receipt: d.Receipt, Error: failure(d.Error), Tries: tries[d.ID].Tries, LastStatus: tries[d.ID].Status,
			CreatedAt: d.CreatedAt, FinishedAt: d.FinishedAt,
		}
	}
	return views, nil
}

func failure(f *fault.Error) *Failure {
	if f == nil {
		return nil
	}
	return &Failure{f.Code, f.Message}
}
