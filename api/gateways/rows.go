package gateways

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/access"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/gateway/table"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

// readRows reads what each row asks for, as a provision request of these parameters would be read, and returns the
// domains that the rows are about.
func (s *Service) readRows(r *web.Request, b *bulk) (domains []string, err error) {
	ctx := r.Context()
	home, named, err := r.Tenant()
	if err != nil {
		return nil, err
	}
	uuids, err := s.namedByUUID(ctx, r.Caller, b)
	if err != nil {
		return nil, err
	}
	read, err := s.namedDomains(ctx, b, uuids)
	if err != nil {
		return nil, err
	}
	registers := slices.ContainsFunc(b.file.Columns, func(c table.Column) bool { return c.Field == "register" })
	are := map[string]bool{}
	for _, one := range b.rows {
		t, err := one.tenant(r, read, home, named, uuids)
		if err != nil {
			if err = one.wrong(err); err != nil {
				return nil, err
			}
			continue
		}
		are[t.UUID] = true
		var wrong []error
		given := one.given
		g, exists := uuids[strings.ToLower(given.Get("gateway_uuid"))]
		if exists {
			given = one.asStands(g, t, r.Caller)
		}
		one.asked, wrong = readAsked(given, t, r.Caller)
		if exists && registers && !given.Has("register") && g.Get("register") != "true" {
			one.asked.params.Values["register"] = g.Get("register") // else a password would say that it is to
		}
		wrong = append(wrong, one.byUUID(uuids, t), jobs.CheckExternalID(one.asked.params.ExternalID), web.NoTokenAmong(one.given))
		for _, err := range wrong {
			if err = one.wrong(err); err != nil {
				return nil, err
			}
		}
	}
	return slices.Sorted(maps.Keys(are)), nil
}

// namedByUUID are the gateways that rows name by gateway_uuid, of those that the caller may see.
func (s *Service) namedByUUID(ctx context.Context, by access.Caller, b *bulk) (map[string]fusionpbx.Gateway, error) {
	var uuids []string
	for _, one := range b.rows {
		if uuid := strings.ToLower(one.given.Get("gateway_uuid")); postgres.IsUUID(uuid) {
			uuids = append(uuids, uuid)
		}
	}
	if len(uuids) == 0 {
		return nil, nil
	}
	rows, err := s.db.GatewaysByUUIDs(ctx, uuids)
	maps.DeleteFunc(rows, func(_ string, g fusionpbx.Gateway) bool { return !by.Domains.HoldUUID(g.DomainUUID) })
	return rows, err
}

// namedDomains are the domains that rows name, or that the gateways which they name belong to.
func (s *Service) namedDomains(ctx context.Context, b *bulk, gateways map[string]fusionpbx.Gateway) (fusionpbx.DomainsRead, error) {
	names, uuids := map[string]bool{}, map[string]bool{}
	for _, one := range b.rows {
		names[one.given.Get("tenant_domain")], uuids[strings.ToLower(one.given.Get("domain_uuid"))] = true, true
	}
	for _, g := range gateways {
		uuids[g.DomainUUID] = true
	}
	return s.db.DomainsNamed(ctx, slices.Collect(maps.Keys(names)), slices.Collect(maps.Keys(uuids)))
}

// tenant is the domain that the row names; else that of the gateway that it names by its uuid; else that of the
// request.
func (one *row) tenant(r *web.Request, read fusionpbx.DomainsRead, home tenant.Domain, named bool, uuids map[string]fusionpbx.Gateway) (tenant.Domain, error) {
	name, uuid := one.given.Get("tenant_domain"), one.given.Get("domain_uuid")
	if name != "" || uuid != "" {
		t, _, err := r.Caller.Tenant(r.Context(), read, name, uuid)
		return t, err
	}
	if g, known := uuids[strings.ToLower(one.given.Get("gateway_uuid"))]; known {
		if g.DomainUUID == "" {
			return tenant.Domain{}, nil
		}
		d, err := read.DomainByUUID(r.Context(), g.DomainUUID)
		if errors.Is(err, fusionpbx.ErrNotFound) { // its domain was deleted
			return tenant.Domain{UUID: g.DomainUUID}, nil
		}
		return tenant.Domain{UUID: d.UUID, Name: d.Name}, err
	}
	if !named && home.UUID == "" {
		return r.OneTenant()
	}
	return home, nil
}

// byUUID is about the gateway that the row names by its uuid: another name in the row is its new one.
func (one *row) byUUID(uuids map[string]fusionpbx.Gateway, t tenant.Domain) error {
	uuid := strings.ToLower(one.given.Get("gateway_uuid"))
	p := &one.asked.params
	g, known := uuids[uuid]
	switch {
	case uuid == "":
		return nil
	case !postgres.IsUUID(uuid):
		return fault.Invalid("gateway_uuid", "is not a UUID; leave it empty for a new gateway")
	case !known:
		return fault.Errorf(fault.NotFound, "gateway_uuid: there is no such gateway; leave it empty, or ignore the column (ignore_columns=gateway_uuid), to make one")
	case g.DomainUUID != t.UUID:
		return fault.Errorf(fault.Conflict, "tenant_domain: gateway %s belongs to another domain, and is not moved; make one in the other domain and delete this one", uuid)
	case p.Name != "" && p.Name != g.Label():
		p.Values["gateway"] = p.Name
	}
	p.GatewayUUID, p.Name = uuid, g.Label()
	return nil
}

// wrong notes what is wrong with the row; an error of ours it returns.
func (one *row) wrong(err error) error {
	if err == nil {
		return nil
	}
	refused, told := errors.AsType[*fault.Error](err)
	if !told {
		return err
	}
	one.faults = append(one.faults, one.detail(refused))
	return nil
}

// named is the parameter that a message begins with.
var named = regexp.MustCompile(`^([a-z_]+): `)

func (one *row) detail(f *fault.Error) fault.Detail {
	d := fault.Detail{Line: one.line, Row: one.number, Code: f.Code, Message: f.Message}
	if f.Code == fault.MissingParameters {
		names, _, _ := strings.Cut(f.Message, ";")
		_, missing, sentence := strings.Cut(names, ": ")
		if !sentence {
			missing, d.Message = names, "missing: "+f.Message
		}
		d.Field, _, _ = strings.Cut(missing, ",")
		return d
	}
	if match := named.FindStringSubmatch(f.Message); match != nil {
		d.Field = match[1]
	}
	return d
}

// checkRows refuses what the worker would refuse, and rows that are about one gateway. In mode each the rows that are
// at fault become items that have failed, unless there are no others.
func (s *Service) checkRows(ctx context.Context, b *bulk) error {
	good := slices.DeleteFunc(slices.Clone(b.rows), func(one *row) bool { return len(one.faults) > 0 })
	requests := make([]gateway.Request, len(good))
	for i, one := range good {
		requests[i] = one.asked.params
	}
	resolved, refused, err := gateway.ResolveAll(ctx, s.pbx, requests)
	if err != nil {
		return err
	}
	for i, one := range good {
		one.resolved = one.asked
		one.resolved.params = resolved[i]
		err := refused[i]
		switch asked := requests[i]; {
		case err != nil:
		case asked.GatewayUUID != "" && resolved[i].GatewayUUID != asked.GatewayUUID:
			err = fault.Errorf(fault.Conflict, "external_id: it is that of gateway %s, and gateway_uuid names another one; send one of them", resolved[i].GatewayUUID)
		case resolved[i].Name == "":
			err = fault.Missing(one.given.Absent("gateway_name", "gateway_domain", "gateway_username", "gateway_password")...)
		}
		if err := one.wrong(err); err != nil {
			return err
		}
	}
	b.findDuplicates(good)
	good = slices.DeleteFunc(good, func(one *row) bool { return len(one.faults) > 0 })
	all := make([]asked, len(good))
	for i, one := range good {
		all[i] = one.resolved
	}
	wrong, err := s.checkAll(ctx, all)
	if err != nil {
		return err
	}
	for i, one := range good {
		for _, err := range wrong[i] {
			if err := one.wrong(err); err != nil {
				return err
			}
		}
	}
	return b.refused()
}

// findDuplicates finds rows that are about the gateway of an earlier one, by whichever of its names.
func (b *bulk) findDuplicates(rows []*row) {
	first := map[string]*row{}
	for _, one := range rows {
		if len(one.faults) > 0 {
			continue
		}
		for _, key := range orderKeys(one.resolved.params) {
			before, taken := first[key]
			if !taken {
				first[key] = one
				continue
			}
			if before == one || before.standsBeside(one, key) {
				continue
			}
			field := "gateway_name"
			switch {
			case strings.HasPrefix(key, "external_id:"):
				field = "external_id"
			case strings.HasPrefix(key, "gateway_uuid:"):
				field = "gateway_uuid"
			}
			one.faults = append(one.faults, fault.Detail{Line: one.line, Row: one.number, Field: field, Code: fault.Conflict, Message: fmt.Sprintf(
				"%s: row %d (line %d) is about the same gateway, or is to have the same name; names that differ in case alone are one. Leave one of the rows out", field, before.number, before.line)})
			break
		}
	}
}

// standsBeside reports whether the key is of names, different in case, that both rows' gateways have already and keep:
// FusionPBX's pages give such.
func (one *row) standsBeside(other *row, key string) bool {
	a, b := one.resolved.params, other.resolved.params
	return strings.HasPrefix(key, "gateway:") && a.GatewayUUID != "" && b.GatewayUUID != "" && a.GatewayUUID != b.GatewayUUID &&
		a.Name != b.Name && a.NewName() == "" && b.NewName() == ""
}

// refused is all that is wrong with rows; nil if the others may be carried out without them.
func (b *bulk) refused() error {
	var details []fault.Detail
	total, faulty := 0, 0
	for _, one := range b.rows {
		if len(one.faults) > 0 {
			faulty++
		}
		total += len(one.faults)
		details = append(details, one.faults[:min(len(one.faults), b.most-len(details))]...)
	}
	if faulty == 0 || b.mode == gateway.ModeEach && (faulty < len(b.rows) || b.dryRun && b.whole) {
		return nil
	}
	return refusal(fault.InvalidRows, details, total)
}
