package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"trunkline/internal/audit"
	"trunkline/internal/postgres"
	"trunkline/internal/token"
)

// maxAuditLimit bounds how many entries are printed at once.
const maxAuditLimit = 10_000

type auditCommand struct {
	Kind    string `enum:"denial,change,all" default:"all" help:"denial: who was refused; change: who changed something; all."`
	Since   string `default:"24h" help:"How far back, such as 30m, 24h or 7d."`
	Who     string `placeholder:"NAME" help:"Only of this user or token, or of this name that was tried."`
	Address string `placeholder:"IP" help:"Only from this address."`
	Action  string `placeholder:"ACTION" help:"Only this action, such as token.revoke, or denials at this endpoint."`
	Code    string `placeholder:"CODE" help:"Only denials for this reason, such as not_whitelisted."`
	Limit   int    `default:"100" help:"How many entries at most; the newest."`
	JSON    bool   `name:"json" help:"Print one JSON object a line."`
}

func (auditCommand) Help() string {
	return `Newest first. Denials that are alike are one line a minute, with how many they were. It needs the database alone.

Example: trunkline audit --kind denial --since 1h --address 198.51.100.7`
}

func (a auditCommand) Run(cmd *command) error {
	filter, err := a.filter()
	if err != nil {
		return err
	}
	settings, err := cmd.settings()
	if err != nil {
		return err
	}
	pool, err := postgres.Open(cmd.ctx, settings.DatabaseURL.Reveal(), settings.DatabaseConnections)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := postgres.CheckVersion(cmd.ctx, pool); err != nil {
		return err
	}
	entries, next, err := audit.New(pool, newLog(settings, cmd.err)).List(cmd.ctx, filter)
	if err != nil {
		return err
	}
	if a.JSON {
		return printJSONLines(cmd.out, entries)
	}
	if len(entries) == 0 {
		cmd.printf("nothing within %s; --since looks further back\n", a.Since)
		return nil
	}
	if err := printAudit(cmd.out, entries); err != nil {
		return err
	}
	if next != "" {
		cmd.printf("older ones are left out; --limit shows more\n")
	}
	return nil
}

func (a auditCommand) filter() (audit.Filter, error) {
	since, err := token.ParseLifetime("--since", a.Since)
	if err != nil {
		return audit.Filter{}, err
	}
	f := audit.Filter{Action: a.Action, Who: a.Who, Code: a.Code, Limit: a.Limit, Since: time.Now().Add(-since)}
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
			return f, fmt.Errorf("--address: %q is no IP address; write one such as 198.51.100.7", a.Address)
		}
		f.Address = addr.Unmap().WithZone("").String()
	}
	return f, nil
}

// printAudit prints a table. What has no value is a dash, so that columns can be told apart.
func printAudit(w io.Writer, entries []audit.Entry) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		for i, cell := range cells {
			if cell == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	row("LAST", "KIND", "TIMES", "ADDRESS", "WHO", "ACTION", "SUBJECT OR REASON")
	for _, e := range entries {
		about := e.Subject
		if e.Kind == audit.KindDenial {
			about = e.Code
		}
		row(e.LastAt.Format(time.RFC3339), string(e.Kind), fmt.Sprint(e.Times), e.Address, e.Who, e.Action, about)
	}
	return table.Flush()
}

func printJSONLines(w io.Writer, entries []audit.Entry) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, e := range entries {
		if err := encoder.Encode(e); err != nil {
			return fmt.Errorf("printing the audit: %w", err)
		}
	}
	return nil
}
