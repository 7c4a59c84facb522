package token

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseScopes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []Scope
		says string
	}{
		{"read", []Scope{ScopeRead}, ""},
		{" Export , read,,READ", []Scope{ScopeRead, ScopeExport}, ""},
		{"admin,export,provision,read", Scopes, ""},
		{"", nil, "no scope is named"},
		{" , ", nil, "no scope is named"},
		{"read write", nil, `"read write"`},
		{"write", nil, "read,provision,export,admin"},
	} {
		got, err := ParseScopes(c.text)
		if !slices.Equal(got, c.want) || (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: got %v, %v", c.text, got, err)
		}
	}
}

// What a token cannot be is refused by the name of its field.
func TestNewIsChecked(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var many []string
	for i := range maxDomains + 1 {
		many = append(many, strings.Repeat("0", i))
	}
	for name, c := range map[string]struct {
		change func(*New)
		field  string // "": it is accepted
	}{
		"as it is":                    {func(*New) {}, ""},
		"a name of one character":     {func(n *New) { n.Name = "é" }, ""},
		"a name of 64 characters":     {func(n *New) { n.Name = strings.Repeat("é", 64) }, ""},
		"spaces around the name":      {func(n *New) { n.Name = "  whmcs " }, ""},
		"all domains":                 {func(n *New) { n.AllDomains, n.DomainUUIDs = true, nil }, ""},
		"all domains with a home":     {func(n *New) { n.AllDomains, n.DomainUUIDs, n.HomeDomainUUID = true, nil, domainB }, ""},
		"a home of its domains":       {func(n *New) { n.HomeDomainUUID = domainA }, ""},
		"an expiry":                   {func(n *New) { n.ExpiresAt = at(now.Add(maxLifetime)) }, ""},
		"no name":                     {func(n *New) { n.Name = "" }, "name"},
		"spaces as the name":          {func(n *New) { n.Name = "   " }, "name"},
		"a name too long":             {func(n *New) { n.Name = strings.Repeat("é", 65) }, "name"},
		"a line break in the name":    {func(n *New) { n.Name = "a\nb" }, "name"},
		"an escape in the name":       {func(n *New) { n.Name = "a\x1b[31m" }, "name"},
		"a name that is no text":      {func(n *New) { n.Name = "a\xff" }, "name"},
		"a name that turns the line":  {func(n *New) { n.Name = "a\u202eb" }, "name"},
		"an id as the name":           {func(n *New) { n.Name = domainA }, "name"},
		"no scope":                    {func(n *New) { n.Scopes = nil }, "scopes"},
		"an unknown scope":            {func(n *New) { n.Scopes = []Scope{"write"} }, "scopes"},
		"no domain":                   {func(n *New) { n.DomainUUIDs = nil }, "domains"},
		"a domain twice":              {func(n *New) { n.DomainUUIDs = []string{domainA, domainA} }, "domains"},
		"too many domains":            {func(n *New) { n.DomainUUIDs = many }, "domains"},
		"domains and all domains":     {func(n *New) { n.AllDomains = true }, "all_domains"},
		"a home of another's domains": {func(n *New) { n.HomeDomainUUID = domainB }, "home_domain"},
		"an expiry that is past":      {func(n *New) { n.ExpiresAt = at(now) }, "expires_at"},
		"an expiry too far ahead":     {func(n *New) { n.ExpiresAt = at(now.Add(maxLifetime + time.Second)) }, "expires_at"},
	} {
		n := fresh("whmcs")
		c.change(&n)
		got, err := n.checked(now)
		var invalid *InvalidError
		if c.field == "" && (err != nil || got.Name != strings.TrimSpace(n.Name)) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
		if c.field != "" && (!errors.As(err, &invalid) || invalid.Field != c.field || !strings.HasPrefix(err.Error(), c.field+": ")) {
			t.Errorf("%s: got %v, want one about %s", name, err, c.field)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	secret, other := newSecret(), newSecret()
	if len(secret) != 53 || !strings.HasPrefix(secret, "trunkline_") || !wellFormed(secret) || secret == other {
		t.Fatalf("got %q and %q", secret, other)
	}
	if hintOf(secret) != secret[49:] {
		t.Errorf("the hint of %q is %q", secret, hintOf(secret))
	}
	for _, text := range []string{
		"", "trunkline_", secret[:52], secret + "A", secret[10:], "Trunkline_" + secret[10:], " " + secret, secret + "\n",
		secret[:20] + "\n" + secret[20:], secret[:20] + "+" + secret[21:], secret[:52] + "=", secret[:20] + "\x00" + secret[21:],
	} {
		if wellFormed(text) {
			t.Errorf("%q is taken for a secret", text)
		}
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		token Token
		want  State
	}{
		"for ever":             {Token{}, StateActive},
		"for a while":          {Token{ExpiresAt: at(now.Add(time.Second))}, StateActive},
		"to now":               {Token{ExpiresAt: at(now)}, StateExpired},
		"revoked":              {Token{RevokedAt: at(now)}, StateRevoked},
		"expired, and revoked": {Token{ExpiresAt: at(now), RevokedAt: at(now)}, StateRevoked},
	} {
		if got := c.token.State(now); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
