package cdrs

import (
	"encoding/json"
	"fmt"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

// maxOrders is to how many destinations one export's file is brought.
const maxOrders = 10

// deliverParams say where the file is brought.
var deliverParams = []web.Param{
	{Name: "deliver_to", About: "Destinations that the file is brought to, by their ids, with commas between. Such an export is always a job."},
	{Name: "deliver_as", About: "What the file is called there: a relative path."},
}

// ordersOf reads where the file is to be brought. Each destination has to be one that the caller may use for it.
func (s *Service) ordersOf(r *web.Request, p cdr.Request) (orders []delivery.Order, err error) {
	ids, name := params.Split(r.Params.Get("deliver_to")), r.Params.Get("deliver_as")
	switch {
	case len(ids) == 0 && name == "":
		return nil, nil
	case len(ids) == 0:
		return nil, fault.Missing("deliver_to, to which deliver_as belongs")
	case name == "":
		return nil, fault.Missing("deliver_as, which deliver_to needs")
	case len(ids) > maxOrders:
		return nil, fault.Invalid("deliver_to", "has %d destinations; %d are allowed", len(ids), maxOrders)
	}
	if err := delivery.CheckName(name); err != nil {
		return nil, fault.Invalid("deliver_as", "%w", err)
	}
	seen := map[string]bool{}
	for _, id := range ids {
		d, err := s.destinations.Get(r.Context(), id, r.Caller.Domains)
		if err == nil {
			d, err = s.destinations.Use(r.Context(), d.ID, p.DomainUUID)
		}
		if err != nil {
			return nil, inParameter("deliver_to", err)
		}
		if seen[d.ID] {
			return nil, fault.Invalid("deliver_to", "names the destination %s twice", d.Name)
		}
		seen[d.ID] = true
		orders = append(orders, delivery.Order{DestinationID: d.ID, Name: name})
	}
	return orders, nil
}

// orderParts tell whether two requests ask for the same deliveries.
func orderParts(orders []delivery.Order) (parts []string) {
	for _, o := range orders {
		parts = append(parts, "deliver", o.DestinationID, o.Name)
	}
	return parts
}

// inParameter names the parameter that a fault is about.
func inParameter(parameter string, err error) error {
	for _, code := range []fault.Code{fault.NotFound, fault.Forbidden, fault.Conflict} {
		if fault.Is(err, code) {
			return fault.Errorf(code, "%s: %w", parameter, err)
		}
	}
	return err
}

// Delivered is how one delivery of an export's file stands.
type Delivered struct {
	ID          string       `json:"id" format:"uuid"`
	Destination string       `json:"destination"` // what it was called when this was ordered
	Name        string       `json:"name"`        // of the file there
	State       outbox.State `json:"state"`
	Error       string       `json:"error,omitempty"` // why it has failed
}

// deliveries are those of an export's file, nil if it was to be brought nowhere.
func (s *Service) deliveries(r *web.Request, job tasks.Job) (all []Delivered, err error) {
	var asked struct{ Deliver []delivery.Order }
	if err := json.Unmarshal(job.Params, &asked); err != nil {
		return nil, fmt.Errorf("reading the parameters of job %s: %w", job.ID, err)
	}
	if len(asked.Deliver) == 0 {
		return nil, nil
	}
	found, err := s.outbox.OfExport(r.Context(), job.ID)
	for _, d := range found {
		one := Delivered{ID: d.ID, Destination: d.DestinationName, Name: d.Name, State: d.State}
		if d.Error != nil {
			one.Error = d.Error.Message
		}
		all = append(all, one)
	}
	return all, err
}
