package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/audit"
	"trunkline/internal/config"
	"trunkline/internal/service"
	"trunkline/internal/token"
)

// maxAuditLimit bounds how many entries are printed at once.
const maxAuditLimit = 10_000

type auditCommand struct {
	Kind    string `enum:"denial,change,all" default:"all" help:"denial: who was refused; change: who changed something; all."`
	Since   string `default:"24h" help:"How far back, such as 30m, 24h or 7d."`
	Who     string `placeholder:"NAME" help:"Only this user or token, or this name that was tried."`
	Address string `placeholder:"IP" help:"Only from this address."`
	Action  string `placeholder:"ACTION" help:"Only this action, such as token.revoke, or denials at this endpoint."`
	Code    string `placeholder:"CODE" help:"Only denials for this reason, such as not_whitelisted."`
	Limit   int    `default:"100" help:"How many entries at most; the newest."`
	JSON    bool   `name:"json" help:"Print one JSON object a line."`
}

func (auditCommand) Help() string {
	return `Newest first. Denials that are alike within a minute are one line, with their number. Only the database is needed.

Example: trunkline audit --kind denial --since 1h --address 198.51.100.7`
}

func (a auditCommand) Run(cmd *command) error {
	filter, err := a.filter()
	if err != nil {
		return err
	}
	return cmd.withDatabase(func(settings config.Settings, pool *pgxpool.Pool) error {
		entries, next, err := audit.New(pool, service.NewLog(settings, cmd.err)).List(cmd.ctx, filter)
		if err != nil {
			return err
		}
		return a.print(cmd, entries, next != "")
	})
}

// print prints the entries; more says that there are older ones.
func (a auditCommand) print(cmd *command, entries []audit.Entry, more bool) error {
	if a.JSON {
		encoder := json.NewEncoder(cmd.out)
		encoder.SetEscapeHTML(false)
		for _, e := range entries {
			if err := encoder.Encode(e); err != nil {
				return fmt.Errorf("printing the audit: %w", err)
			}
		}
		return nil
	}
	if len(entries) == 0 {
		cmd.printf("nothing within %s; --since looks further back\n", a.Since)
		return nil
	}
	if err := cmd.auditTable(entries); err != nil {
		return err
	}
	if more {
		cmd.printf("older ones are left out; --limit shows more\n")
	}
	return nil
}

func (a auditCommand) filter() (audit.Filter, error) {
	since, err := token.ParseLifetime("--since", a.Since)
	if err != nil {
		return audit.Filter{}, err
	}
	f := audit.Filter{Action: a.Action, Who: a.Who, Code: a.Code, Limit: a.Limit, Since: new(time.Now().Add(-since))}
	if a.Kind != "all" {
		f.Kind = audit.Kind(a.Kind)
	}
	if since <= 0 {
		return f, errors.New("--since: write how far back to look, such as 24h")
	}
	if a.Limit < 1 || a.Limit > maxAuditLimit {
		return f, fmt.Errorf("--limit: write a number from 1 to %d", maxAuditLimit)
	}
	if a.Address != "" {
		addr, err := netip.ParseAddr(a.Address)
		if err != nil {
			return f, fmt.Errorf("--address: %q is not an IP address; write one such as 198.51.100.7", a.Address)
		}
		f.Address = addr.Unmap().WithZone("").String()
	}
	return f, nil
}

// auditTable prints the entries as a table. An empty cell is a dash, so that columns can be told apart.
func (cmd *command) auditTable(entries []audit.Entry) error {
	const none = "-"
	table := cmd.table("LAST", "KIND", "TIMES", "ADDRESS", "WHO", "ACTION", "SUBJECT OR REASON")
	for _, e := range entries {
		about := e.Subject
		if e.Kind == audit.KindDenial {
			about = e.Code
		}
		table.row(e.LastAt.Format(time.RFC3339), string(e.Kind), fmt.Sprint(e.Times),
			cmp.Or(e.Address, none), cmp.Or(e.Who, none), cmp.Or(e.Action, none), cmp.Or(about, none))
	}
	return table.Flush()
}
