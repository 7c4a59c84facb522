package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/config"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/token"
)

type tokenCommand struct {
	Create tokenCreateCommand `cmd:"" help:"Make a token and print its secret, this once."`
	List   tokenListCommand   `cmd:"" help:"List the tokens: what each may do, until when, and when it was last used."`
	Rotate tokenRotateCommand `cmd:"" help:"Give a token a new secret; the old one stays valid for a grace period."`
	Revoke tokenRevokeCommand `cmd:"" help:"End a token and its secrets."`
}

func (tokenCommand) Help() string {
	return `A token is sent as "Authorization: Bearer TOKEN" or "X-API-Key: TOKEN"; in WHMCS it goes into the server's access hash. Only the database is needed.

Example: trunkline token create --name whmcs --scope read,provision --domain pbx.example`
}

// tokens is what the token commands work with.
type tokens struct {
	cmd      *command
	settings config.Settings
	pool     *pgxpool.Pool
	db       *fusionpbx.DB
	store    *token.Store
}

// withTokens opens what the token commands work with.
func (cmd *command) withTokens(f func(*tokens) error) error {
	return cmd.withDatabase(func(settings config.Settings, pool *pgxpool.Pool) error {
		db, err := fusionpbx.Probe(cmd.ctx, pool)
		if err != nil {
			return err
		}
		store := token.NewStore(pool, settings.TokensPerDomain, slog.New(slog.DiscardHandler))
		return f(&tokens{cmd: cmd, settings: settings, pool: pool, db: db, store: store})
	})
}

type tokenCreateCommand struct {
	Name       string   `required:"" help:"What the token is for; it is shown in logs and lists."`
	Scope      []string `required:"" help:"What it may do: read, provision, export, admin; several with commas."`
	Domain     []string `help:"A domain that it is for; may be given several times."`
	AllDomains bool     `help:"It is for all domains, and for global gateways."`
	HomeDomain string   `help:"The domain of a request that names none; without it, --domain's if there is just one."`
	Expires    string   `help:"When it ends: a time from now (90d, 24h), a date or a time; without it, never."`
	JSON       bool     `name:"json" help:"Print the token as JSON, with the secret in it."`
}

func (tokenCreateCommand) Help() string {
	return `The secret is the only line on standard output; it cannot be shown again.

Example: trunkline token create --name whmcs --scope read,provision --domain pbx.example --expires 90d`
}

func (c tokenCreateCommand) Run(cmd *command) error {
	return cmd.withTokens(func(t *tokens) error {
		n, err := t.describe(c)
		if err != nil {
			return err
		}
		made, secret, err := t.store.Create(t.cmd.ctx, n)
		if err != nil {
			return t.wording(err)
		}
		t.changed("token.create", made)
		return t.issued(made, secret, c.JSON)
	})
}

// describe is the token that the flags ask for.
func (t *tokens) describe(c tokenCreateCommand) (token.New, error) {
	n := token.New{Name: c.Name, AllDomains: c.AllDomains, CreatedBy: runBy(), By: token.Creator{Owner: token.OwnerCLI}}
	if len(c.Domain) == 0 && !c.AllDomains {
		return n, errors.New("neither --domain nor --all-domains is given; name the domains that the token is for, or ask for all domains (trunkline token create --help)")
	}
	var err error
	if n.Scopes, err = token.ParseScopes(strings.Join(c.Scope, ",")); err != nil {
		return n, t.wording(err)
	}
	for _, name := range c.Domain {
		uuid, err := t.domain("--domain", name)
		if err != nil {
			return n, err
		}
		n.DomainUUIDs = append(n.DomainUUIDs, uuid)
	}
	if c.HomeDomain != "" {
		if n.HomeDomainUUID, err = t.domain("--home-domain", c.HomeDomain); err != nil {
			return n, err
		}
	}
	n.ExpiresAt, err = t.expiry(c.Expires)
	return n, err
}

// domain is the uuid of the enabled domain of that name.
func (t *tokens) domain(flag, name string) (string, error) {
	domain, err := t.db.DomainByName(t.cmd.ctx, name)
	switch {
	case errors.Is(err, fusionpbx.ErrNotFound):
		return "", fmt.Errorf("%s: there is no domain %q in FusionPBX; write the name that FusionPBX's page of domains shows", flag, name)
	case err != nil:
		return "", err
	case !domain.Enabled:
		return "", fmt.Errorf("%s: domain %q is disabled in FusionPBX; enable it first", flag, domain.Name)
	}
	return domain.UUID, nil
}

func (t *tokens) expiry(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	at, err := token.ParseExpiry("expires_at", text, time.Now())
	if err != nil {
		return nil, t.wording(err)
	}
	return &at, nil
}

// tokenFlags are the flags by the fields that the store's errors name.
var tokenFlags = map[string]string{
	"name": "--name", "scopes": "--scope", "domains": "--domain", "all_domains": "--all-domains",
	"home_domain": "--home-domain", "expires_at": "--expires", "grace": "--grace",
}

// wording puts the store's error in the command line's words.
func (t *tokens) wording(err error) error {
	if invalid, is := errors.AsType[*token.InvalidError](err); is {
		return fmt.Errorf("%s: %s", tokenFlags[invalid.Field], invalid.Problem)
	}
	switch {
	case errors.Is(err, token.ErrNameTaken):
		return fmt.Errorf("--%w", err)
	case errors.Is(err, token.ErrExpired):
		return fmt.Errorf("%w (trunkline token rotate --expires 90d)", err)
	}
	return err
}

// changed records what was done with a token; its name can be another's later.
func (t *tokens) changed(action string, done token.Token) {
	t.cmd.record(t.cmd.ctx, t.pool, action, done.ID+" "+done.Name)
}

// issued prints the secret on standard output, and what there is to know about it on standard error.
func (t *tokens) issued(made token.Token, secret string, asJSON bool) error {
	views, err := token.Views(t.cmd.ctx, t.db.DomainNames, made)
	if err != nil {
		return err
	}
	v := views[0]
	if asJSON {
		return t.cmd.printJSON(token.Issued{View: v, Secret: secret})
	}
	fmt.Fprintf(t.cmd.err, "Token %s (%s) may %s for %s; it %s.\n", v.Name, v.ID, token.JoinScopes(v.Scopes), domainsOf(v), ending(v))
	if v.PreviousExpiresAt != nil {
		fmt.Fprintf(t.cmd.err, "Its old secret stays valid until %s.\n", v.PreviousExpiresAt.Format(time.RFC3339))
	}
	fmt.Fprintln(t.cmd.err, "Its secret follows and cannot be shown again. Send it as Authorization: Bearer or X-API-Key.")
	t.cmd.printf("%s\n", secret)
	return nil
}

func ending(v token.View) string {
	if v.ExpiresAt == nil {
		return "does not expire"
	}
	return "expires at " + v.ExpiresAt.Format(time.RFC3339)
}
