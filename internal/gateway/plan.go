package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

// Plan is what a provision job will write: Row, in place of Previous (nil for a new gateway).
type Plan struct {
	Row      fusionpbx.Gateway
	Previous *fusionpbx.Gateway
	Action   string // what the job does, all its attempts together
	Insert   bool   // this attempt has a row to insert
	Update   bool   // this attempt has a row to update
	Delete   bool   // this attempt has a row to delete
	asked    named
}

// Replace tells the plan what stood there before an earlier attempt of the same job wrote its row.
func (plan *Plan) Replace(previous *fusionpbx.Gateway) {
	plan.Previous = previous
	switch {
	case previous == nil:
		plan.Action = Created
	case plan.Row.Same(*previous, fusionpbx.GatewayColumns...):
		plan.Action = Unchanged
	default:
		plan.Action = Updated
	}
}

// NewPlan merges what was asked for with the gateways that bear the name in that domain now, and
// checks the whole row. The front end plans to answer bad input at once; the worker plans again under
// the lock. newUUID is used for a new gateway; mode decides which values can reach FreeSWITCH.
func NewPlan(mode fusionpbx.GatewayMode, existing []fusionpbx.Gateway, p Request, password *string, newUUID string) (Plan, *fault.Error) {
	var source *fusionpbx.Gateway
	if p.CopyOf != "" {
		if source, existing = takeOut(existing, p.CopyOf); source == nil {
			return Plan{}, fault.Errorf(fault.NotFound, "gateway %s, of which a copy was asked for, is not in %s any more; nothing was made", p.CopyOf, p.place())
		}
	}
	if p.GatewayUUID != "" {
		for _, g := range existing {
			if g.UUID != p.GatewayUUID && g.Label() == p.NewName() {
				return Plan{}, fault.Errorf(fault.Conflict, "gateway_name: gateway %s in %s is called %q already; choose another name, or rename that one", g.UUID, p.place(), g.Label())
			}
		}
		existing = slices.DeleteFunc(slices.Clone(existing), func(g fusionpbx.Gateway) bool { return g.UUID != p.GatewayUUID })
	}
	if len(existing) > 1 {
		uuids := each(existing, func(g fusionpbx.Gateway) string { return g.UUID })
		return Plan{}, fault.Errorf(fault.Conflict, "gateway_name: %d gateways are called %q in %s: %s; rename or delete all but one in FusionPBX",
			len(existing), p.Name, p.place(), strings.Join(uuids, " and "))
	}
	if p.Delete {
		return planDeletion(existing), nil
	}
	if enabled, named := p.Values["enabled"]; named && len(p.Values) == 1 && password == nil && source == nil && len(existing) == 0 {
		if enabled == "false" {
			return Plan{Action: Absent}, nil // nothing of it can call
		}
		return Plan{}, fault.Errorf(fault.NotFound, "gateway_name: there is no gateway %q in %s to enable; make it, with gateway_domain, gateway_username and gateway_password", p.Name, p.place())
	}
	values := make(map[string]string, len(p.Values)+3)
	plan := Plan{Action: Created, Insert: true, asked: named{p.Values, p.Reset, password != nil}}
	switch {
	case len(existing) == 1:
		previous := existing[0]
		plan.Row, plan.Previous, plan.Insert = previous, &previous, false
		if f := p.reset(&plan.Row, password); f != nil {
			return Plan{}, f
		}
	case source != nil:
		plan.Row = *source
		plan.Row.UUID = newUUID
		plan.Row.Set("gateway", p.Name)
	default:
		if f := p.missingForNew(password); f != nil {
			return Plan{}, f
		}
		plan.Row = fusionpbx.NewGateway(newUUID, p.DomainUUID, p.Name)
		values["realm"] = p.Values["proxy"]
	}
	// The contract has no register: who gives a username and a password means to.
	if p.Values["username"] != "" && password != nil && *password != "" {
		values["register"] = "true"
	}
	maps.Copy(values, p.Values)
	if password != nil {
		values["password"] = *password
	}
	plan.Row.SetAll(values)
	plan.Replace(plan.Previous)
	plan.Update = plan.Action == Updated
	if !p.Asks(password) {
		return plan, nil
	}
	return plan, plan.checkRow(mode)
}

// judges reports whether the request is to blame for one of these columns: it names it, or makes the gateway.
// Nothing fails for what stood there before.
func (plan *Plan) judges(columns ...string) bool {
	return plan.Insert || plan.asked.some(columns...)
}

// CheckProfile refuses an enabled gateway whose SIP profile is not, or has no TLS and would need it.
func (plan *Plan) CheckProfile(enabled map[string]fusionpbx.Profile) error {
	profile, there := enabled[plan.Row.Profile()]
	switch {
	case !plan.Row.Enabled():
	case !there && plan.judges("profile", "enabled"):
		return fault.Errorf(fault.ProfileUnavailable, "profile: there is no enabled SIP profile %q in FusionPBX, so FreeSWITCH would never load the gateway; "+
			"name an enabled profile or enable this one", plan.Row.Profile())
	case there && needsTLS(plan.Row, profile) && plan.judges("register_transport", "profile", "enabled"):
		return fault.Errorf(fault.InvalidGateway, "%w", &ValueError{
			Column: "register_transport",
			Reason: fmt.Sprintf("is tls, and SIP profile %q has no TLS, so FreeSWITCH would not load the gateway; name a profile that has, "+
				"or set tls to true among the profile's settings in FusionPBX and restart it", plan.Row.Profile()),
		})
	}
	return nil
}

// planDeletion deletes the one gateway, or finds that it is absent already.
func planDeletion(existing []fusionpbx.Gateway) Plan {
	if len(existing) == 0 {
		return Plan{Action: Absent}
	}
	previous := existing[0]
	return Plan{Row: previous, Previous: &previous, Action: Deleted, Delete: true}
}

// Asks reports whether the request asks for a change; one that does not only shows the gateway.
func (p Request) Asks(password *string) bool {
	return len(p.Values) > 0 || password != nil || p.Delete || len(p.Reset) > 0 || p.CopyOf != "" || p.Do != "" || p.CIDRs != nil
}

// missingForNew names the documented fields that a new gateway needs and the request lacks.
func (p Request) missingForNew(password *string) *fault.Error {
	return missingFields(p.missing(password), "there is no gateway %q in %s yet, and a new one also needs", p.Name, p.place())
}

// missingFields is the fault of a request that lacks these fields, nil if they are none.
func missingFields(fields []string, format string, args ...any) *fault.Error {
	if len(fields) == 0 {
		return nil
	}
	return fault.Errorf(fault.MissingParameters, "%s: %s", fmt.Sprintf(format, args...), strings.Join(fields, ", "))
}

// missing are the documented fields that a whole gateway needs and the request lacks. One that does not register may
// do without username and password.
func (p Request) missing(password *string) []string {
	var missing []string
	if p.Name == "" { // its external_id named a gateway that is gone
		missing = append(missing, "gateway_name")
	}
	if p.Values["proxy"] == "" {
		missing = append(missing, "gateway_domain")
	}
	if p.Values["register"] != "false" {
		if p.Values["username"] == "" {
			missing = append(missing, "gateway_username")
		}
		if password == nil || *password == "" {
			missing = append(missing, "gateway_password")
		}
	}
	return missing
}

func (p Request) place() string {
	if p.DomainUUID == "" {
		return "the global gateways"
	}
	return "domain " + p.DomainName
}

// checkRow refuses what FusionPBX or FreeSWITCH would drop or distort in silence.
func (plan *Plan) checkRow(mode fusionpbx.GatewayMode) *fault.Error {
	g := plan.Row
	for _, column := range fusionpbx.GatewayColumns {
		if !plan.judges(column) {
			continue
		}
		if err := CheckValue(mode, column, g.Get(column)); err != nil {
			return fault.Errorf(fault.InvalidGateway, "%w", err)
		}
	}
	if g.Enabled() && lacksCredentials(g) && plan.judges("enabled", "register", "username", "password") {
		return fault.Errorf(fault.InvalidGateway, "register: FreeSWITCH skips a gateway that registers without username and password; "+
			"give gateway_username and gateway_password, or register=false")
	}
	return nil
}
