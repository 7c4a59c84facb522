// Package tenant says which of FusionPBX's domains a caller may see and which a request, a list or a
// count is about. It must not know who calls, nor what a domain holds.
package tenant

import (
	"slices"
	"strings"
)

// Global is what a caller writes in place of a domain for the gateways that belong to none.
const Global = "global"

// Domain is one of FusionPBX's domains. The zero value is no domain, to which global gateways belong.
type Domain struct {
	UUID string // as Postgres prints it
	Name string // in any case of letters
}

// Domains are all domains or some of them. The zero value is none, so that what was forgotten shows
// nothing.
type Domains struct {
	All  bool // also what belongs to no domain
	List []Domain
}

// All is every domain, and what belongs to none.
var All = Domains{All: true}

// Only is these domains.
func Only(domains ...Domain) Domains { return Domains{List: domains} }

// UUIDs are the uuids of the list, as a query takes them: never nil.
func (d Domains) UUIDs() []string {
	uuids := make([]string, len(d.List))
	for i, one := range d.List {
		uuids[i] = one.UUID
	}
	return uuids
}

// Names are the names of the list, for messages.
func (d Domains) Names() string {
	names := make([]string, len(d.List))
	for i, one := range d.List {
		names[i] = one.Name
	}
	return strings.Join(names, ", ")
}

// Find returns the domain of the list that has the name, in any case of letters.
func (d Domains) Find(name string) (Domain, bool) {
	return d.find(func(one Domain) bool { return strings.EqualFold(one.Name, name) })
}

// FindUUID returns the domain of the list that has the uuid.
func (d Domains) FindUUID(uuid string) (Domain, bool) {
	return d.find(func(one Domain) bool { return one.UUID == uuid })
}

func (d Domains) find(is func(Domain) bool) (Domain, bool) {
	i := slices.IndexFunc(d.List, is)
	if i < 0 {
		return Domain{}, false
	}
	return d.List[i], true
}

// Within reports whether all of them are among the others.
func (d Domains) Within(others Domains) bool {
	return others.All || !d.All && !slices.ContainsFunc(d.List, func(one Domain) bool { return !others.HoldUUID(one.UUID) })
}

// Hold reports whether the domain of that name is among them.
func (d Domains) Hold(name string) bool {
	_, found := d.Find(name)
	return d.All || found
}

// HoldUUID reports whether the domain of that uuid is among them; "" is no domain, which only all hold.
func (d Domains) HoldUUID(uuid string) bool {
	_, found := d.FindUUID(uuid)
	return d.All || found
}
