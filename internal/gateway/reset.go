package gateway

import (
	"slices"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

// reset gives the row of a gateway that there is the page's defaults in the columns of Reset, and refuses a request
// that would leave it without what every gateway needs. What has no default, such as the password, is kept.
func (p Request) reset(row *fusionpbx.Gateway, password *string) *fault.Error {
	if len(p.Reset) == 0 {
		return nil
	}
	kept := row.Get("password")
	if password == nil {
		password = &kept
	}
	if f := missingFields(p.missing(password), "gateway %q is to be as the request has it alone, which also needs", row.Label()); f != nil {
		return f
	}
	fresh := fusionpbx.NewGateway(row.UUID, row.DomainUUID, row.Label())
	fresh.Set("realm", p.Values["proxy"])
	if p.Values["username"] != "" && *password != "" {
		fresh.Set("register", "true")
	}
	for _, column := range p.Reset {
		row.Set(column, fresh.Get(column))
	}
	return nil
}

// takeOut is the gateway of that uuid, nil if it is not there, and the others.
func takeOut(rows []fusionpbx.Gateway, uuid string) (found *fusionpbx.Gateway, others []fusionpbx.Gateway) {
	i := slices.IndexFunc(rows, func(g fusionpbx.Gateway) bool { return g.UUID == uuid })
	if i < 0 {
		return nil, rows
	}
	return &rows[i], slices.Delete(slices.Clone(rows), i, i+1)
}
