package token

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// View is a token as people and programs are shown it. There is no secret in it.
type View struct {
	Token
	State      State    `json:"state"`
	Domains    []string `json:"domains"`               // names, or the uuid of a domain that was deleted
	HomeDomain string   `json:"home_domain,omitempty"` // the domain of a request that names none
}

// Issued is a token together with its secret, for the one answer that shows it.
type Issued struct {
	View
	Secret string `json:"token"` // the secret, which is shown only this once
}

// Views shows tokens as they are now. The names of their domains are looked up by uuid.
func Views(ctx context.Context, lookUp func(ctx context.Context, uuids []string) (map[string]string, error), tokens ...Token) ([]View, error) {
	var uuids []string
	for _, t := range tokens {
		uuids = append(uuids, DomainsOf(t)...)
	}
	names, err := lookUp(ctx, uuids)
	if err != nil {
		return nil, err
	}
	views := make([]View, len(tokens))
	for i, t := range tokens {
		views[i] = t.view(names, time.Now())
	}
	return views, nil
}

// view shows the token as it is at that time, with the names of domains by their uuid.
func (t Token) view(names map[string]string, now time.Time) View {
	v := View{Token: t, State: t.State(now), Domains: []string{}, HomeDomain: cmp.Or(names[t.HomeDomainUUID], t.HomeDomainUUID)}
	if v.PreviousExpiresAt != nil && (v.State != StateActive || !v.PreviousExpiresAt.After(now)) {
		v.PreviousExpiresAt = nil
	}
	for _, id := range t.DomainUUIDs {
		v.Domains = append(v.Domains, cmp.Or(names[id], id))
	}
	slices.Sort(v.Domains)
	return v
}

// DomainsOf are the uuids of all domains that the token names, each once.
func DomainsOf(t Token) []string {
	all := slices.Clone(t.DomainUUIDs)
	if t.HomeDomainUUID != "" {
		all = append(all, t.HomeDomainUUID)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
