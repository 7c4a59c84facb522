package token

import (
	"slices"
	"time"
)

// View is a token as people and programs are shown it. There is no secret in it.
type View struct {
	ID                string     `json:"id" format:"uuid"`
	Name              string     `json:"name"`
	State             State      `json:"state"`
	Hint              string     `json:"hint"` // the secret's last characters
	Scopes            []Scope    `json:"scopes"`
	AllDomains        bool       `json:"all_domains"`
	Domains           []string   `json:"domains"`               // names, or the uuid of a domain that was deleted
	HomeDomain        string     `json:"home_domain,omitempty"` // the domain of a request that names none
	CreatedBy         string     `json:"created_by"`
	CreatedAt         time.Time  `json:"created_at"`
	ExpiresAt         *time.Time `json:"expires_at,omitempty"`
	RotatedAt         *time.Time `json:"rotated_at,omitempty"`
	PreviousExpiresAt *time.Time `json:"previous_expires_at,omitempty"` // until when the secret before the last rotation is valid
	RevokedAt         *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt        *time.Time `json:"last_used_at,omitempty"` // to the minute
	LastUsedAddress   string     `json:"last_used_address,omitempty"`
}

// Issued is a token together with its secret, for the one answer that shows it.
type Issued struct {
	View
	Token string `json:"token"` // the secret, which is shown only this once
}

// View shows the token as it is at that time, with the names of domains by their uuid.
func (t Token) View(names map[string]string, now time.Time) View {
	name := func(uuid string) string {
		if n := names[uuid]; n != "" {
			return n
		}
		return uuid
	}
	v := View{
		ID: t.ID, Name: t.Name, State: t.State(now), Hint: t.Hint, Scopes: t.Scopes, AllDomains: t.AllDomains,
		Domains: make([]string, len(t.DomainUUIDs)), HomeDomain: name(t.HomeDomainUUID), CreatedBy: t.CreatedBy,
		CreatedAt: t.CreatedAt.UTC(), ExpiresAt: utc(t.ExpiresAt), RotatedAt: utc(t.RotatedAt), RevokedAt: utc(t.RevokedAt),
		LastUsedAt: utc(t.LastUsedAt), LastUsedAddress: t.LastUsedAddress,
	}
	if t.PreviousExpiresAt != nil && t.PreviousExpiresAt.After(now) && v.State == StateActive {
		v.PreviousExpiresAt = utc(t.PreviousExpiresAt)
	}
	for i, id := range t.DomainUUIDs {
		v.Domains[i] = name(id)
	}
	slices.Sort(v.Domains)
	return v
}

// DomainsOf are the uuids of all domains that the tokens name, each once.
func DomainsOf(tokens ...Token) []string {
	all := []string{}
	for _, t := range tokens {
		all = append(all, t.DomainUUIDs...)
		if t.HomeDomainUUID != "" {
			all = append(all, t.HomeDomainUUID)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := t.UTC()
	return &at
}
