package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/audit"
	"trunkline/internal/config"
	"trunkline/internal/fault"
	"trunkline/internal/whitelist"
)

type whitelistCommand struct {
	List   whitelistListCommand   `cmd:"" help:"Show who may call or, with --denied, who was denied lately."`
	Add    whitelistAddCommand    `cmd:"" help:"Let an address or network call."`
	Remove whitelistRemoveCommand `cmd:"" help:"Take an address or network off the list."`
	Check  whitelistCheckCommand  `cmd:"" help:"Name every broken line of the file, or say whether an address may call."`
	Edit   whitelistEditCommand   `cmd:"" help:"Edit the file in your editor; it is checked before it is saved."`
}

func (whitelistCommand) Help() string {
	return `The whitelist is the file that TRUNKLINE_WHITELIST names: one IP address or CIDR a line, # starts a comment. Comments, order and line endings are kept.
A change is in effect within a second in every front end of this host. Neither database nor Redis has to run.

Example: trunkline whitelist add 203.0.113.7 --comment "WHMCS"`
}

// whitelistFile is the file that the settings name. Those of the PBX may be missing.
func (cmd *command) whitelistFile() (whitelist.File, config.Settings, error) {
	settings, err := config.LoadWithoutPBX(cmd.configFile, cmd.environ)
	return whitelist.File{Path: settings.Whitelist}, settings, err
}

type whitelistListCommand struct {
	Denied bool `help:"Show the addresses that were denied in the last week for not being on the list, newest first. Reads the database."`
}

func (whitelistListCommand) Help() string {
	return `It ends with status 1 if the file cannot be used as it stands.

Example: trunkline whitelist list

Example: trunkline whitelist list --denied`
}

func (c whitelistListCommand) Run(cmd *command) error {
	if c.Denied {
		return cmd.withDatabase(cmd.listDenied)
	}
	file, _, err := cmd.whitelistFile()
	if err != nil {
		return err
	}
	doc, err := file.Read()
	if err != nil {
		return whitelistTrouble(file, err)
	}
	table := cmd.table("LINE", "ADDRESS", "COMMENT")
	for _, e := range doc.Entries() {
		table.row(fmt.Sprint(e.Line), e.Address(), e.Comment)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if _, err := doc.Set(); err != nil {
		return whitelistTrouble(file, err)
	}
	return nil
}

// whitelistTrouble names the file that cannot be used.
func whitelistTrouble(file whitelist.File, err error) error {
	return fmt.Errorf("TRUNKLINE_WHITELIST: %s: %w", file.Path, err)
}

func (cmd *command) listDenied(settings config.Settings, pool *pgxpool.Pool) error {
	denied, err := audit.DeniedLately(cmd.ctx, pool, fault.NotWhitelisted)
	if err != nil {
		return err
	}
	if len(denied) == 0 {
		cmd.printf("nobody was denied in the last week for not being on the whitelist\n")
		return nil
	}
	doc, err := whitelist.File{Path: settings.Whitelist}.Read()
	if err != nil {
		doc = whitelist.Parse(nil) // nobody may call
	}
	table := cmd.table("ADDRESS", "TIMES", "LAST", "NOW")
	for _, d := range denied {
		now := "not on the list"
		if addr, err := netip.ParseAddr(d.Address); err == nil {
			if entry, found := doc.CoveringAddr(addr); found {
				now = fmt.Sprintf("in line %d, %s", entry.Line, entry.Address())
			}
		}
		table.row(d.Address, fmt.Sprint(d.Times), d.LastAt.UTC().Format(time.RFC3339), now)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	cmd.printf("To let one of them call: trunkline whitelist add ADDRESS --comment TEXT\n")
	return nil
}

type whitelistAddCommand struct {
	Address string `arg:"" help:"An IP address or a CIDR."`
	Comment string `placeholder:"TEXT" help:"A comment behind it, such as whose it is."`
}

func (whitelistAddCommand) Help() string {
	return `The line is written at the end of the file. An address that is on the list already, even within a network, changes nothing.

Example: trunkline whitelist add 203.0.113.7 --comment "WHMCS"

Example: trunkline whitelist add 2001:db8:1::/48 --comment "the office"`
}

func (c whitelistAddCommand) Run(cmd *command) error {
	file, settings, network, err := cmd.whitelistNetwork(c.Address)
	if err != nil {
		return err
	}
	done, err := file.Add(cmd.ctx, network, c.Comment, whitelist.Editor{})
	if err != nil {
		return whitelistRefusal(err)
	}
	if !done.Changed {
		cmd.printf("%s may call already, by line %d of %s: %s\n", whitelist.Format(network), done.Entry.Line, file.Path, described(done.Entry))
		return nil
	}
	cmd.printf("added as line %d of %s: %s\n", done.Entry.Line, file.Path, described(done.Entry))
	if network.Bits() == 0 {
		fmt.Fprintf(cmd.err, "%[1]s is every address there is, so the whitelist keeps nobody out now; trunkline whitelist remove %[1]s takes it back\n", whitelist.Format(network))
	}
	cmd.changed(settings, "whitelist.add", done.Entry.Address())
	return nil
}

type whitelistRemoveCommand struct {
	Address      string `arg:"" help:"An IP address or a CIDR, as the list has it."`
	AllowLockout bool   `help:"Even if no address is left, so that nobody may call."`
}

func (whitelistRemoveCommand) Help() string {
	return `Only a line with exactly that address or CIDR goes; a wider network that holds it stays, and is named.

Example: trunkline whitelist remove 203.0.113.7`
}

func (c whitelistRemoveCommand) Run(cmd *command) error {
	file, settings, network, err := cmd.whitelistNetwork(c.Address)
	if err != nil {
		return err
	}
	done, err := file.Remove(cmd.ctx, network, whitelist.Editor{AllowLockout: c.AllowLockout})
	if err != nil {
		return whitelistRefusal(err)
	}
	for _, e := range done.Entries {
		cmd.printf("removed line %d of %s: %s\n", e.Line, file.Path, described(e))
	}
	if done.Covering != nil {
		cmd.printf("it may call all the same, by line %d: %s\n", done.Covering.Line, described(*done.Covering))
	}
	cmd.changed(settings, "whitelist.remove", whitelist.Format(network))
	return nil
}

type whitelistCheckCommand struct {
	Address string `arg:"" optional:"" help:"An IP address; without one the file is checked."`
}

func (whitelistCheckCommand) Help() string {
	return `It ends with status 1 if a line is broken, or if the address may not call.

Example: trunkline whitelist check

Example: trunkline whitelist check 203.0.113.7`
}

func (c whitelistCheckCommand) Run(cmd *command) error {
	file, _, err := cmd.whitelistFile()
	if err != nil {
		return err
	}
	var addr netip.Addr
	if c.Address != "" {
		if addr, err = netip.ParseAddr(c.Address); err != nil || addr.Zone() != "" {
			return fmt.Errorf("%q is not an IP address; write one such as 192.0.2.1 or 2001:db8::1", c.Address)
		}
	}
	doc, err := file.Read()
	if err != nil {
		return whitelistTrouble(file, err)
	}
	set, err := doc.Set()
	if broken := cmd.printBroken(err); broken > 0 {
		return fmt.Errorf("%s is not used as it stands, for its broken lines (%d); mend them with trunkline whitelist edit", file.Path, broken)
	}
	if err != nil {
		return whitelistTrouble(file, err)
	}
	if c.Address == "" {
		cmd.printf("ok: %d addresses and networks in %s\n", set.Count(), file.Path)
		return nil
	}
	entry, found := doc.CoveringAddr(addr)
	if !found {
		return fmt.Errorf("%s may not call: no line of %s holds it; trunkline whitelist add %s lets it", addr, file.Path, addr)
	}
	cmd.printf("%s may call, by line %d of %s: %s\n", addr, entry.Line, file.Path, described(entry))
	return nil
}

// printBroken prints every broken line that the error is about, and returns their number.
func (cmd *command) printBroken(err error) int {
	broken, found := errors.AsType[*whitelist.BrokenError](err)
	if !found {
		return 0
	}
	for _, line := range broken.Lines {
		cmd.printf("%s\n", line)
	}
	return len(broken.Lines)
}

// whitelistNetwork is the file, and the address or CIDR that an argument names.
func (cmd *command) whitelistNetwork(text string) (file whitelist.File, s config.Settings, network netip.Prefix, err error) {
	if file, s, err = cmd.whitelistFile(); err != nil {
		return file, s, network, err
	}
	if network, err = whitelist.ParseNetwork(strings.TrimSpace(text)); err != nil {
		err = fmt.Errorf("%q %w", text, err)
	}
	return file, s, network, err
}

// described is an entry as its line has it.
func described(e whitelist.Entry) string {
	if e.Comment == "" {
		return e.Address()
	}
	return e.Address() + " # " + e.Comment
}

// whitelistRefusal adds what to do on the command line.
func whitelistRefusal(err error) error {
	if fault.Is(err, fault.Lockout) {
		return fmt.Errorf("%w; --allow-lockout makes it nevertheless", err)
	}
	return err
}
