package gateway

import (
	"encoding/hex"
	"slices"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/sealing"
)

// Conditions have to hold when a request takes effect, whatever stood when it was accepted: they are looked at again
// under the lock under which the row is written.
type Conditions struct {
	Only Only `json:"only,omitempty"`
	// IfMatch are the Tags of which the gateway has to have one; AnyTag: it has to exist.
	IfMatch []string `json:"if_match,omitempty"`
	// IfNoneMatch: there must be no such gateway (If-None-Match: *).
	IfNoneMatch bool `json:"if_none_match,omitempty"`
}

// Match has the gateway have to have the tag; "": it need not.
func (c *Conditions) Match(tag string) {
	if tag != "" {
		c.IfMatch = []string{tag}
	}
}

// Only limits what a request may do of making and changing.
type Only string

// What a request may be limited to; "" is to both.
const (
	OnlyNew      Only = "new"      // it makes a gateway, and changes none
	OnlyExisting Only = "existing" // it changes one, and makes none
)

// AnyTag is every gateway's.
const AnyTag = "*"

// Tag names a row as it stands, the password included: another row has another one, and so has the same row under
// another secret key.
func Tag(keys *sealing.Keys, row fusionpbx.Gateway) string {
	return hex.EncodeToString(keys.BodyHash(tagParts(row)...))
}

func hasTag(keys *sealing.Keys, row fusionpbx.Gateway, tag string) bool {
	hash, err := hex.DecodeString(tag)
	return err == nil && keys.SameBody(hash, tagParts(row)...)
}

func tagParts(row fusionpbx.Gateway) []string {
	parts := make([]string, 0, 3+2*len(fusionpbx.GatewayColumns))
	parts = append(parts, "gateway row", row.UUID, row.DomainUUID)
	for _, column := range fusionpbx.GatewayColumns {
		parts = append(parts, column, row.Get(column))
	}
	return parts
}

// CheckConditions fails unless the request's conditions hold of these rows, which Existing found.
func (p Request) CheckConditions(keys *sealing.Keys, rows []fusionpbx.Gateway) error {
	i := slices.IndexFunc(rows, func(g fusionpbx.Gateway) bool {
		return g.UUID == p.GatewayUUID || p.GatewayUUID == "" && g.Label() == p.Name
	})
	switch {
	case i < 0 && len(p.IfMatch) > 0:
		return fault.Errorf(fault.PreconditionFailed, "If-Match: there is no gateway %q in %s; nothing was changed", p.Name, p.place())
	case i < 0 && p.Only == OnlyExisting:
		return fault.Errorf(fault.NotFound, "there is no gateway %q in %s any more; nothing was changed", p.Name, p.place())
	case i < 0:
		return nil
	case p.IfNoneMatch:
		return fault.Errorf(fault.PreconditionFailed, "If-None-Match: gateway %s in %s is called %q already; nothing was changed", rows[i].UUID, p.place(), rows[i].Label())
	case p.Only == OnlyNew:
		return fault.Errorf(fault.Conflict, "gateway_name: gateway %s in %s is called %q already; choose another name, or change that one at /v1/gateways/%[1]s",
			rows[i].UUID, p.place(), rows[i].Label())
	case len(p.IfMatch) == 0 || slices.Contains(p.IfMatch, AnyTag):
		return nil
	case !slices.ContainsFunc(p.IfMatch, func(tag string) bool { return hasTag(keys, rows[i], tag) }):
		return fault.Errorf(fault.PreconditionFailed, "If-Match: gateway %s was changed since; nothing was changed now; look at it, then send the request with its ETag", rows[i].UUID)
	}
	return nil
}

// fulfilled is the request, and what bears on it, once an attempt at it has written its row: what had to be before
// that was so.
func (p Request) fulfilled(rows []fusionpbx.Gateway) (Request, []fusionpbx.Gateway) {
	if p.CopyOf != "" {
		_, rows = takeOut(rows, p.CopyOf)
	}
	p.Conditions, p.CopyOf = Conditions{}, ""
	return p, rows
}

// standsAsWritten reports whether the gateway is as an earlier attempt of the work left it.
func (w *work) standsAsWritten(rows []fusionpbx.Gateway) bool {
	if w.written == nil {
		return false
	}
	row, _ := takeOut(rows, w.uuid())
	if row == nil || w.written.Deleted {
		return row == nil && w.written.Deleted
	}
	return row.Same(w.written.Row, fusionpbx.GatewayColumns...)
}
