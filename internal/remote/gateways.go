package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Gateways are the commands about gateways.
type Gateways struct {
	Connection

	List      gatewayListCommand      `cmd:"" help:"List gateways, with their state on the switches."`
	Get       gatewayGetCommand       `cmd:"" help:"Show a gateway: its settings, and its state on each switch."`
	Import    gatewayImportCommand    `cmd:"" help:"Make and change gateways by a file, once the difference was shown and agreed to."`
	Export    gatewayExportCommand    `cmd:"" help:"Write gateways into a file that import reads."`
	Drift     gatewayDriftCommand     `cmd:"" help:"Compare FusionPBX's database with what every switch has loaded."`
	Reconcile gatewayReconcileCommand `cmd:"" help:"Have the switches load what the database says of gateways."`
	Enable    gatewayEnableCommand    `cmd:"" help:"Enable gateways."`
	Disable   gatewayDisableCommand   `cmd:"" help:"Disable gateways, so that they take no calls."`
	Delete    gatewayDeleteCommand    `cmd:"" help:"Delete gateways."`
}

// Help is the group's.
func (Gateways) Help() string {
	return `They ask the HTTP API, so that they work from anywhere: at TRUNKLINE_URL, with the token of TRUNKLINE_TOKEN.

` + statusHelp + `

Example: trunkline gateways list --domain pbx.example --status DOWN`
}

// Filter are the flags that choose gateways.
type Filter struct {
	Domain     string `placeholder:"NAME" help:"Those of a domain; global for those of none."`
	Profile    string `placeholder:"NAME" help:"Those of a SIP profile."`
	State      string `placeholder:"STATE" help:"Those in a state, such as REGED, FAIL_WAIT or NOT_LOADED."`
	Status     string `placeholder:"STATUS" help:"Those that are UP, DOWN or UNKNOWN."`
	Enabled    string `enum:"true,false," default:"" placeholder:"true|false" help:"Those that are enabled, or not."`
	ExternalID string `placeholder:"ID" help:"The one with the caller's own name."`
	Text       string `placeholder:"TEXT" help:"Those with the text in name, description, proxy or account."`
}

// values are the filter as the API's parameters.
func (f Filter) values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"tenant_domain": f.Domain, "profile": f.Profile, "state": f.State, "status": f.Status,
		"enabled": f.Enabled, "external_id": f.ExternalID, "text": f.Text,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

const gatewaysPath = "/v1/gateways"

// shownGateway is what a list shows of a gateway.
type shownGateway struct {
	GatewayUUID   string   `json:"gateway_uuid"`
	GatewayName   string   `json:"gateway_name"`
	TenantDomain  string   `json:"tenant_domain"`
	ExternalIDs   []string `json:"external_ids"`
	GatewayDomain string   `json:"gateway_domain"`
	Profile       string   `json:"profile"`
	Enabled       bool     `json:"enabled"`
	State         string   `json:"state"`
	Status        string   `json:"status"`
}

type gatewayListCommand struct {
	Format
	Filter
	Limit int `default:"0" help:"How many at most; 0 for all."`
}

func (gatewayListCommand) Help() string {
	return `Example: trunkline gateways list --domain pbx.example --state FAIL_WAIT

Example: trunkline gateways list --status DOWN -o csv`
}

func (c gatewayListCommand) Run(s *session) error {
	found, err := s.pages(gatewaysPath, c.values(), "gateways", c.Limit)
	if err != nil {
		return err
	}
	l := listing{headings: []string{"GATEWAY", "NAME", "DOMAIN", "ENABLED", "PROFILE", "CARRIER", "STATE", "STATUS", "EXTERNAL ID"}, raw: found.entries}
	for _, text := range found.entries {
		var g shownGateway
		if err := json.Unmarshal(text, &g); err != nil {
			return fmt.Errorf("reading the list of gateways: %w", err)
		}
		l.rows = append(l.rows, []string{
			g.GatewayUUID, g.GatewayName, g.TenantDomain, fmt.Sprint(g.Enabled), g.Profile, g.GatewayDomain, g.State, g.Status, strings.Join(g.ExternalIDs, " "),
		})
	}
	if err := s.print(c.Format, l); err != nil {
		return err
	}
	s.warnings(found.first["warnings"])
	var counts map[string]int
	if json.Unmarshal(found.first["counts"], &counts) == nil && len(counts) > 0 && c.Output == "table" {
		s.tell("%s", visible(counted(counts)))
	}
	if found.more {
		s.tell("others are left out; --limit shows more")
	}
	return nil
}

// warnings tells what the API warns of.
func (s *session) warnings(raw json.RawMessage) {
	var warnings []string
	if json.Unmarshal(raw, &warnings) != nil {
		return // there are none
	}
	for _, warning := range warnings {
		s.tell("WARNING: %s", visible(warning))
	}
}

type gatewayGetCommand struct {
	ID         string `arg:"" optional:"" name:"id" help:"The gateway's UUID."`
	ExternalID string `placeholder:"ID" help:"In place of the UUID, the caller's own name for it."`
	Domain     string `placeholder:"NAME" help:"The domain in which --external-id is looked for."`
	Output     string `short:"o" enum:"table,json" default:"table" help:"table or json."`
}

func (gatewayGetCommand) Help() string {
	return `Example: trunkline gateways get 5d4f2a0e-8f5b-4e0c-9a55-1f2d3c4b5a69

Example: trunkline gateways get --external-id service-101 --domain pbx.example`
}

func (c gatewayGetCommand) Run(s *session) error {
	path, query := "", url.Values{}
	switch {
	case (c.ID == "") == (c.ExternalID == ""):
		return errors.New("name one gateway, by its UUID or by --external-id")
	case c.ID != "" && c.Domain != "":
		return errors.New("--domain: is where --external-id is looked for; leave it out beside a UUID")
	case c.ID != "":
		id, err := gatewayID(c.ID)
		if err != nil {
			return err
		}
		path = gatewaysPath + "/" + id
	default:
		path = gatewaysPath + "/by-external-id/" + url.PathEscape(c.ExternalID)
		if c.Domain != "" {
			query.Set("tenant_domain", c.Domain)
		}
	}
	var raw json.RawMessage
	if err := s.api.Get(s.ctx, path, query, &raw); err != nil {
		return s.worded(err)
	}
	if c.Output == "json" {
		return s.printJSON(raw)
	}
	return s.printFields(raw)
}

// gatewayID checks that it is one before it becomes a part of a path.
func gatewayID(given string) (string, error) {
	return idOf(given, "a gateway's UUID; trunkline gateways list shows them")
}

// gatewayIDs are such ids of several.
func gatewayIDs(given []string) (ids []string, err error) {
	for _, text := range given {
		id, err := gatewayID(text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
