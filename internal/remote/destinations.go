package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"trunkline/internal/client"
)

// Destinations are the commands about where files are brought.
type Destinations struct {
	Connection

	List   destinationListCommand   `cmd:"" help:"List destinations of files and messages."`
	Show   destinationShowCommand   `cmd:"" help:"Show a destination, without its credentials."`
	Create destinationCreateCommand `cmd:"" help:"Make a destination, which is tested before it is kept."`
	Edit   destinationEditCommand   `cmd:"" help:"Change a destination, its credentials too."`
	Test   destinationTestCommand   `cmd:"" help:"Find out whether files could be delivered to a destination now."`
	Rotate destinationRotateCommand `cmd:"" help:"Give a webhook a new secret."`
	Delete destinationDeleteCommand `cmd:"" help:"Delete a destination."`
}

// Help is the group's.
func (Destinations) Help() string {
	return `They ask the HTTP API, so that they work from anywhere: at TRUNKLINE_URL, with the token of TRUNKLINE_TOKEN, which needs the scope export, and to make, change, test and delete them admin too.

` + statusHelp + `

Example: trunkline destinations create --name billing --kind folder --domain pbx.example --set folder=billing`
}

const destinationsPath = "/v1/destinations"

// destinationPath is as pathOf has it.
func destinationPath(given string, below ...string) (string, error) {
	return pathOf(destinationsPath, given, "a destination's id; trunkline destinations list shows them", below...)
}

// oneDestination is the destination that a command is about.
type oneDestination struct {
	ID     string `arg:"" name:"id" help:"The destination's id."`
	Output string `short:"o" enum:"table,json" default:"table" help:"table or json."`
}

// ask asks for something about the destination, and prints what is answered.
func (o oneDestination) ask(s *session, method string, form url.Values, below ...string) error {
	path, err := destinationPath(o.ID, below...)
	if err != nil {
		return err
	}
	return s.askFor(o.Output, client.Request{Method: method, Path: path, Form: form})
}

// askFor asks, and prints the object that is answered.
func (s *session) askFor(output string, request client.Request) error {
	answer, err := s.api.Do(s.ctx, request)
	if err != nil {
		return s.worded(err)
	}
	if output == "json" {
		return s.printJSON(answer.Body)
	}
	return s.printFields(answer.Body)
}

type destinationListCommand struct {
	Format
	Domain string `placeholder:"NAME" help:"Those of a domain; global for those of all domains."`
	Kind   string `placeholder:"KIND" help:"Those of a kind: folder, mail, s3, sftp or webhook."`
	Limit  int    `default:"0" help:"How many at most; 0 for all."`
}

func (destinationListCommand) Help() string {
	return `Example: trunkline destinations list --domain pbx.example

Example: trunkline destinations list --kind sftp -o csv`
}

func (c destinationListCommand) Run(s *session) error {
	found, err := s.pages(destinationsPath, given(map[string]string{"tenant_domain": c.Domain, "kind": c.Kind}), "destinations", c.Limit)
	if err != nil {
		return err
	}
	l := listing{headings: []string{"DESTINATION", "NAME", "DOMAIN", "KIND", "ENABLED", "SETTINGS"}, raw: found.entries}
	for _, text := range found.entries {
		var one struct {
			ID       string          `json:"id"`
			Name     string          `json:"name"`
			Domain   string          `json:"tenant_domain"`
			Kind     string          `json:"kind"`
			Enabled  bool            `json:"enabled"`
			Settings json.RawMessage `json:"settings"`
		}
		if err := json.Unmarshal(text, &one); err != nil {
			return fmt.Errorf("reading the list of destinations: %w", err)
		}
		l.rows = append(l.rows, []string{one.ID, one.Name, one.Domain, one.Kind, fmt.Sprint(one.Enabled), plain(one.Settings)})
	}
	if err := s.print(c.Format, l); err != nil {
		return err
	}
	if found.more {
		s.tell("others are left out; --limit shows more")
	}
	return nil
}

// given are those values that are not "".
func given(values map[string]string) url.Values {
	q := url.Values{}
	for name, value := range values {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

type destinationShowCommand struct{ oneDestination }

func (destinationShowCommand) Help() string {
	return `Example: trunkline destinations show 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11`
}

func (c destinationShowCommand) Run(s *session) error { return c.ask(s, http.MethodGet, nil) }

// placeHelp is what the helps of create and edit have in common.
const placeHelp = `What --set takes are the settings of the kind, which the server's docs/deliveries.md lists: folder, host, bucket, mail_to, events and more. Passwords, keys and the URLs of webhooks are read from files by --secret, or from standard input as in --secret login_password=-: everybody on this host could see them in a command line.

`

type destinationCreateCommand struct {
	Place
	Name   string `required:"" placeholder:"NAME" help:"Unique among the domain's."`
	Kind   string `required:"" placeholder:"KIND" help:"folder, mail, s3, sftp or webhook."`
	Domain string `placeholder:"NAME" help:"Whose it is, or global for all domains; a token of one domain needs none."`
	NoTest bool   `help:"Keep it without a test, as one of SFTP whose host key is not known yet: test pins it."`
	Output string `short:"o" enum:"table,json" default:"table" help:"table or json."`
}

func (destinationCreateCommand) Help() string {
	return placeHelp + `Of a webhook the answer has the secret that its messages are signed with, this once.

Example: trunkline destinations create --name billing --kind sftp --domain pbx.example --set host=sftp.customer.example --set login=cdr --secret private_key=id_ed25519 --no-test

Example: trunkline destinations create --name hook --kind webhook --domain pbx.example --secret webhook_url=url.txt --set events=schedule.window.failed

Example: trunkline destinations create --name people --kind mail --domain global --set host=smtp.example --set mail_from=cdr@pbx.example --set "mail_to=Billing <billing@customer.example>" --secret login_password=- --set login=cdr`
}

func (c destinationCreateCommand) Run(s *session) error {
	form, err := c.form(s.Program)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"name": c.Name, "kind": c.Kind, "tenant_domain": c.Domain} {
		if value != "" {
			form.Set(name, value)
		}
	}
	if c.NoTest {
		form.Set("test", "false")
	}
	return s.askFor(c.Output, client.Request{Method: http.MethodPost, Path: destinationsPath, Form: form})
}

type destinationEditCommand struct {
	oneDestination
	Place
	Name *string `placeholder:"NAME" help:"Another name."`
}

func (destinationEditCommand) Help() string {
	return `What is not named stays, and what is given empty is cleared. Whoever changes where credentials are sent gives them anew.

` + placeHelp + `Example: trunkline destinations edit 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --set folder=2027 --secret login_password=password.txt

Example: trunkline destinations edit 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --enabled false`
}

func (c destinationEditCommand) Run(s *session) error {
	form, err := c.form(s.Program)
	if err != nil {
		return err
	}
	if c.Name != nil {
		form.Set("name", *c.Name)
	}
	if len(form) == 0 {
		return errors.New("nothing is to be changed; name what is, such as --set folder=2027 (trunkline destinations edit --help)")
	}
	return c.ask(s, http.MethodPatch, form)
}

type destinationTestCommand struct{ oneDestination }

func (destinationTestCommand) Help() string {
	return `The key of an SFTP server of which none is pinned yet is pinned: compare it with what the server's owner says.

Example: trunkline destinations test 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11`
}

func (c destinationTestCommand) Run(s *session) error {
	return c.ask(s, http.MethodPost, url.Values{}, "test")
}

type destinationRotateCommand struct {
	oneDestination
	Grace string `placeholder:"TIME" help:"For how long messages are signed with the old secret too, such as 24h; 0s: not at all."`
}

func (destinationRotateCommand) Help() string {
	return `The answer has the new secret, this once.

Example: trunkline destinations rotate 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --grace 1h`
}

func (c destinationRotateCommand) Run(s *session) error {
	return c.ask(s, http.MethodPost, given(map[string]string{"grace": c.Grace}), "rotate")
}

type destinationDeleteCommand struct {
	oneDestination
	Yes bool `short:"y" help:"Do not ask."`
}

func (destinationDeleteCommand) Help() string {
	return `What was to be delivered there fails; what is there stays.

Example: trunkline destinations delete 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 --yes`
}

func (c destinationDeleteCommand) Run(s *session) error {
	if !c.Yes {
		if s.Program.ask == nil {
			return errors.New("nobody is there to be asked; --yes deletes the destination without asking")
		}
		yes, err := s.Program.ask(fmt.Sprintf("Delete destination %s?", visible(c.ID)))
		if err != nil || !yes {
			return errors.Join(err, errors.New("nothing was deleted"))
		}
	}
	return c.ask(s, http.MethodDelete, nil)
}
