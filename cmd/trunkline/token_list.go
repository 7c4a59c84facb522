package main

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"trunkline/internal/postgres"
	"trunkline/internal/token"
)

type tokenListCommand struct {
	All  bool `help:"Also those that were revoked."`
	JSON bool `name:"json" help:"Print them as a JSON array."`
}

func (tokenListCommand) Help() string {
	return `Newest first. Secrets are not kept and not shown; HINT is the end of the secret.

Example: trunkline token list --all`
}

func (c tokenListCommand) Run(cmd *command) error {
	return cmd.withTokens(func(t *tokens) error {
		all, _, err := t.store.List(cmd.ctx, token.Filter{Bounds: token.Unbounded, Revoked: c.All, Limit: math.MaxInt32})
		if err != nil {
			return err
		}
		views, err := token.Views(cmd.ctx, t.db.DomainNames, all...)
		if err != nil {
			return err
		}
		if c.JSON {
			return cmd.printJSON(views)
		}
		if len(views) == 0 {
			none := "There is no token; trunkline token create makes one."
			if !c.All {
				none = "There is no token in use; trunkline token create makes one, and --all shows those that were revoked."
			}
			fmt.Fprintln(cmd.err, none)
			return nil
		}
		return cmd.tokenTable(views)
	})
}

func (cmd *command) tokenTable(views []token.View) error {
	table := cmd.table("NAME", "ID", "HINT", "SCOPES", "DOMAINS", "EXPIRES", "LAST USED", "STATE")
	for _, v := range views {
		used := moment(v.LastUsedAt, "never")
		if v.LastUsedAddress != "" {
			used += " " + v.LastUsedAddress
		}
		table.row(v.Name, v.ID, v.Hint, token.JoinScopes(v.Scopes), domainsOf(v), moment(v.ExpiresAt, "never"), used, string(v.State))
	}
	return table.Flush()
}

// domainsOf names a token's domains, and its home domain if it has one.
func domainsOf(v token.View) string {
	domains := strings.Join(v.Domains, ",")
	if v.AllDomains {
		domains = "all domains"
	}
	if v.HomeDomain != "" {
		domains += " (home " + v.HomeDomain + ")"
	}
	return domains
}

// moment writes a time to the minute.
func moment(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return t.Format("2006-01-02T15:04Z")
}

type tokenRotateCommand struct {
	Token   string `arg:"" name:"name|id" help:"The token's name or id."`
	Grace   string `help:"How long the old secret stays valid, such as 24h or 7d; without it, TRUNKLINE_TOKEN_GRACE."`
	Expires string `help:"A new expiry: a time from now (90d, 24h), a date or a time; without it, the token's own stays."`
	JSON    bool   `name:"json" help:"Print the token as JSON, with the secret in it."`
}

func (tokenRotateCommand) Help() string {
	return `The new secret is the only line on standard output; it cannot be shown again. The grace of an older secret ends.

Example: trunkline token rotate whmcs --grace 24h`
}

func (c tokenRotateCommand) Run(cmd *command) error {
	return cmd.withTokens(func(t *tokens) error {
		grace := t.settings.TokenGrace
		if c.Grace != "" {
			var err error
			if grace, err = token.ParseLifetime("grace", c.Grace); err != nil {
				return t.wording(err)
			}
		}
		expires, err := t.expiry(c.Expires)
		if err != nil {
			return err
		}
		found, err := t.find(c.Token)
		if err != nil {
			return err
		}
		rotated, secret, err := t.store.Rotate(t.cmd.ctx, found.ID, token.Unbounded, grace, expires)
		if err != nil {
			return t.wording(err)
		}
		t.changed("token.rotate", rotated)
		return t.issued(rotated, secret, c.JSON)
	})
}

type tokenRevokeCommand struct {
	Token           string `arg:"" name:"name|id" help:"The token's name or id."`
	KeepDescendants bool   `help:"Keep the tokens that it made or has rotated, and those that they made."`
}

func (tokenRevokeCommand) Help() string {
	return `It is refused everywhere within a second, and so are the tokens that it made or has rotated, and those that they made. A token that was revoked before stays revoked.

Example: trunkline token revoke whmcs`
}

func (c tokenRevokeCommand) Run(cmd *command) error {
	return cmd.withTokens(func(t *tokens) error {
		found, err := t.find(c.Token)
		if err != nil {
			return err
		}
		revoked, err := t.store.Revoke(t.cmd.ctx, found.ID, token.Unbounded, c.KeepDescendants)
		if err != nil {
			return err
		}
		if revoked.Now {
			t.changed("token.revoke", revoked.Token)
			cmd.printf("token %s (%s) is revoked\n", revoked.Name, revoked.ID)
		} else {
			cmd.printf("token %s (%s) was revoked already, at %s\n", revoked.Name, revoked.ID, moment(revoked.RevokedAt, ""))
		}
		for _, descendant := range revoked.Descendants {
			t.changed("token.revoke", descendant)
			cmd.printf("token %s (%s), which comes from it, is revoked\n", descendant.Name, descendant.ID)
		}
		return nil
	})
}

// find is the token of that id or name. A revoked one is found by its id alone, since its name may be
// another's by now.
func (t *tokens) find(nameOrID string) (token.Token, error) {
	found, err := t.store.Get(t.cmd.ctx, nameOrID, token.Unbounded)
	if !postgres.IsUUID(nameOrID) {
		found, err = t.store.Named(t.cmd.ctx, nameOrID)
	}
	if errors.Is(err, token.ErrNotFound) {
		return found, fmt.Errorf("there is no token %q; trunkline token list shows the tokens, and with --all those revoked, which go by their id", nameOrID)
	}
	return found, err
}
