package gateways

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trunkline/api/jobs"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

// target is the gateway that a request is about.
type target struct {
	gateway.Request                 // asks for nothing yet; found by an external_id it has no name, and the worker looks again
	resolved        gateway.Request // as it is known now
	asked           []string        // how the request names it
	absent          bool            // there is none, as far as the caller may see, and none to come
}

// tenant is the domain that the gateway belongs to.
func (t target) tenant() tenant.Domain { return tenant.Domain{UUID: t.DomainUUID, Name: t.DomainName} }

// noGateway is the refusal if there is none.
func (t target) noGateway() error {
	if t.ExternalID != "" {
		return fault.Errorf(fault.NotFound, "no gateway has the external_id %q; PUT makes one, adopt gives it to one that there is", fault.Clip(t.ExternalID))
	}
	return fault.Errorf(fault.NotFound, "there is no such gateway")
}

// ofPath finds the gateway of the path among those that the caller may see: by its uuid, or by the external_id.
func (s *Service) ofPath(r *web.Request) (target, error) {
	if r.Path("external_id") != "" {
		return s.byExternalID(r)
	}
	return s.byUUID(r, strings.ToLower(r.Path("id")))
}

// byUUID finds it by its uuid. The row may be gone while a switch still has to be seen without it.
func (s *Service) byUUID(r *web.Request, id string) (target, error) {
	t := target{asked: []string{"gateway", id}}
	t.GatewayUUID = id
	if !postgres.IsUUID(id) {
		return t, fault.Invalid("the gateway in the path", "is not a UUID")
	}
	row, err := s.db.GatewayByUUID(r.Context(), id)
	switch {
	case err == nil && r.Caller.Domains.HoldUUID(row.DomainUUID):
		t.Name, t.DomainUUID = row.Label(), row.DomainUUID
	case err == nil:
		t.absent = true // another tenant's is as if it were not there
	case !errors.Is(err, fusionpbx.ErrNotFound):
		return t, err
	default:
		job, pending, err := s.tasks.Pending(r.Context(), gateway.UUIDKey(id))
		if t.absent = !pending || !r.Caller.Domains.HoldUUID(job.DomainUUID); err != nil || t.absent {
			t.resolved = t.Request
			return t, err
		}
		var before gateway.Request
		if err := json.Unmarshal(job.Params, &before); err != nil {
			return t, fmt.Errorf("reading the parameters of job %s: %w", job.ID, err)
		}
		t.Name, t.DomainUUID = before.Name, job.DomainUUID // of a job of many there is no name
	}
	if t.DomainUUID != "" {
		names, err := s.db.DomainNames(r.Context(), []string{t.DomainUUID})
		if err != nil {
			return t, err
		}
		t.DomainName = names[t.DomainUUID]
	}
	t.resolved = t.Request
	return t, nil
}

// byExternalID finds it by the path's external_id, in the domain that the request names or in the only one where it
// is somebody's.
func (s *Service) byExternalID(r *web.Request) (t target, err error) {
	ctx := r.Context()
	if t.ExternalID, err = externalIDOf(r); err != nil {
		return t, err
	}
	domain, named, err := r.Tenant()
	if err != nil {
		return t, err
	}
	if !named {
		if domain, err = s.domainOf(r, t.ExternalID, domain); err != nil {
			return t, err
		}
		if !r.Caller.Domains.HoldUUID(domain.UUID) { // it is in none of the caller's, of which none is its home
			t.absent, t.resolved, t.asked = true, t.Request, []string{"external_id", t.ExternalID}
			return t, nil
		}
	}
	t.DomainUUID, t.DomainName = domain.UUID, domain.Name
	t.asked = []string{"tenant", domain.UUID, "external_id", t.ExternalID}
	if t.resolved, err = gateway.Resolve(ctx, s.pbx, t.Request); err != nil || t.resolved.GatewayUUID != "" {
		return t, err
	}
	_, pending, err := s.tasks.Pending(ctx, orderKeys(t.Request)...)
	if err != nil || pending {
		return t, err
	}
	// What ended between the two looks may have made it.
	t.resolved, err = gateway.Resolve(ctx, s.pbx, t.Request)
	t.absent = t.resolved.GatewayUUID == ""
	return t, err
}

// domainOf is the domain in which the external_id is a gateway's, of those that the caller sees; if it is in none, the
// caller's home. Of a caller of some domains, one where a job about it has not ended counts too.
func (s *Service) domainOf(r *web.Request, externalID string, home tenant.Domain) (tenant.Domain, error) {
	pending, err := s.domainsToHave(r, externalID)
	if err != nil {
		return home, err
	}
	found, err := gateway.DomainsOf(r.Context(), s.pbx, externalID)
	if err != nil {
		return home, err
	}
	found = slices.DeleteFunc(found, func(uuid string) bool { return !r.Caller.Domains.HoldUUID(uuid) })
	for _, uuid := range pending {
		if !slices.Contains(found, uuid) {
			found = append(found, uuid)
		}
	}
	names, err := s.db.DomainNames(r.Context(), slices.DeleteFunc(slices.Clone(found), func(uuid string) bool { return uuid == "" }))
	if err != nil {
		return home, err
	}
	names[""] = tenant.Global
	switch len(found) {
	case 0:
		return home, nil
	case 1:
		if found[0] == "" {
			return tenant.Domain{}, nil
		}
		return tenant.Domain{UUID: found[0], Name: names[found[0]]}, nil
	}
	var in []string
	for _, uuid := range found {
		in = append(in, names[uuid])
	}
	slices.Sort(in)
	return home, fault.Errorf(fault.Conflict, "external_id: %q is that of a gateway in each of %s; say which one with tenant_domain", fault.Clip(externalID), strings.Join(in, ", "))
}

// domainsToHave are those of a caller of some domains in which a job about the external_id has not ended.
func (s *Service) domainsToHave(r *web.Request, externalID string) (uuids []string, err error) {
	keys := make([]string, len(r.Caller.Domains.List))
	for i, own := range r.Caller.Domains.List {
		keys[i] = externalIDKey(own.UUID, externalID)
	}
	pending, err := s.tasks.PendingAt(r.Context(), keys)
	for i, own := range r.Caller.Domains.List {
		if pending[keys[i]] {
			uuids = append(uuids, own.UUID)
		}
	}
	return uuids, err
}

// externalIDOf is the path's external_id, as a parameter would be read.
func externalIDOf(r *web.Request) (string, error) {
	id := strings.TrimSpace(r.Path("external_id"))
	switch {
	case id == "":
		return "", fault.Invalid("the external_id in the path", "is empty")
	case len(id) > jobs.MaxKey:
		return "", fault.Invalid("the external_id in the path", "is longer than %d bytes", jobs.MaxKey)
	case !params.IsText(id):
		return "", fault.Invalid("the external_id in the path", "holds a control character or is not valid UTF-8")
	}
	return id, nil
}
