package fssim

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// gatewayParams are the parameters that FusionPBX's Lua handler writes for a gateway, with the column of
// v_gateways that each comes from, in its order.
var gatewayParams = []struct{ param, column string }{
	{"username", "username"}, {"distinct-to", "distinct_to"}, {"auth-username", "auth_username"},
	{"password", "password"}, {"realm", "realm"}, {"from-user", "from_user"}, {"from-domain", "from_domain"},
	{"proxy", "proxy"}, {"register-proxy", "register_proxy"}, {"outbound-proxy", "outbound_proxy"},
	{"expire-seconds", "expire_seconds"}, {"register", "register"}, {"register-transport", "register_transport"},
	{"contact-params", "contact_params"}, {"retry-seconds", "retry_seconds"}, {"extension", "extension"},
	{"ping", "ping"}, {"ping-min", "ping_min"}, {"ping-max", "ping_max"}, {"contact-in-ping", "contact_in_ping"},
	{"context", "context"}, {"caller-id-in-from", "caller_id_in_from"}, {"supress-cng", "supress_cng"},
	{"sip_cid_type", "sip_cid_type"}, {"extension-in-contact", "extension_in_contact"},
}

// GatewaysFromDatabase reads the gateways as FusionPBX's Lua handler does: the enabled ones of each
// enabled profile, of this host or of no host in particular; named by their UUID in lower case; values
// sanitized. It keeps
// one connection to the database at url, and makes another if that is lost.
func GatewaysFromDatabase(url string) func(ctx context.Context, hostname string) (map[string]string, error) {
	d := &configDatabase{url: url}
	return d.gateways
}

type configDatabase struct {
	url  string
	mu   sync.Mutex
	conn *pgx.Conn
}

func (d *configDatabase) gateways(ctx context.Context, hostname string) (map[string]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		if xml, err := readGateways(ctx, d.conn, hostname); err == nil {
			return xml, nil
		}
		d.conn.Close(ctx)
		d.conn = nil
	}
	conn, err := pgx.Connect(ctx, d.url)
	if err != nil {
		return nil, fmt.Errorf("connecting to read sofia.conf: %w", err)
	}
	xml, err := readGateways(ctx, conn, hostname)
	if err != nil {
		conn.Close(ctx)
		return nil, err
	}
	d.conn = conn
	return xml, nil
}

func readGateways(ctx context.Context, conn *pgx.Conn, hostname string) (map[string]string, error) {
	// In these tables a flag is a boolean or a text, by version: its text is the same.
	rows, err := conn.Query(ctx, `
		select sip_profile_name from v_sip_profiles
		where sip_profile_enabled::text = 'true' and coalesce(sip_profile_hostname, '') in ('', $1)`, hostname)
	if err != nil {
		return nil, fmt.Errorf("reading the SIP profiles: %w", err)
	}
	profiles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("reading the SIP profiles: %w", err)
	}
	texts := map[string]*strings.Builder{}
	for _, name := range profiles {
		texts[name] = &strings.Builder{}
	}
	columns := make([]string, len(gatewayParams))
	for i, p := range gatewayParams {
		columns[i] = p.column + "::text"
	}
	rows, err = conn.Query(ctx, `
		select profile, lower(gateway_uuid::text), array[`+strings.Join(columns, ", ")+`]
		from v_gateways
		where enabled::text = 'true' and coalesce(hostname, '') in ('', $1)
		order by gateway, gateway_uuid`, hostname)
	if err != nil {
		return nil, fmt.Errorf("reading the gateways: %w", err)
	}
	var profile *string
	var id string
	var values []*string
	_, err = pgx.ForEachRow(rows, []any{&profile, &id, &values}, func() error {
		if profile == nil {
			return nil
		}
		if text, ok := texts[*profile]; ok {
			text.WriteString(gatewayXML(id, values))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the gateways: %w", err)
	}
	xml := map[string]string{}
	for name, text := range texts {
		xml[name] = text.String()
	}
	return xml, nil
}

// gatewayXML is one gateway's element, one parameter a line.
func gatewayXML(id string, values []*string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<gateway name=\"%s\">\n", id)
	for i, p := range gatewayParams {
		if values[i] == nil || *values[i] == "" {
			continue
		}
		value := *values[i]
		switch p.param {
		case "register-transport":
			value = strings.ToLower(value)
			if value != "tcp" && value != "tls" {
				value = "udp"
			}
		case "retry-seconds":
			if atoi(value) < minRetrySeconds {
				value = strconv.Itoa(defaultRetrySeconds)
			}
		}
		fmt.Fprintf(&b, "  <param name=\"%s\" value=\"%s\"/>\n", p.param, sanitize.Replace(value))
	}
	b.WriteString("</gateway>\n")
	return b.String()
}

// sanitize is the handler's function of that name: an & goes into the XML as it is.
var sanitize = strings.NewReplacer("<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;", "$", "")

// Sanitized is what becomes of a value on its way from the database through the handler and FreeSWITCH's parser.
func Sanitized(value string) string { return decodeAttribute(sanitize.Replace(value)) }

// RegisterExtensions registers a device for each of the first n extensions in a sample's database, in the
// order of the sample's own list of them.
func (s *Switch) RegisterExtensions(ctx context.Context, database string, n int) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("registering extensions: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `
		select extension, domain_name from v_extensions join v_domains using (domain_uuid)
		order by extension::bigint, domain_name limit $1`, n)
	if err != nil {
		return fmt.Errorf("registering extensions: %w", err)
	}
	r := Registration{Profile: "internal", Agent: "Yealink SIP-T46U 108.86.0.20", Port: 5060, Renews: true}
	i := 0
	_, err = pgx.ForEachRow(rows, []any{&r.User, &r.Domain}, func() error {
		r.IP = "192.0.2." + strconv.Itoa(1+i%250)
		s.AddRegistration(r)
		i++
		return nil
	})
	if err != nil {
		return fmt.Errorf("registering extensions: %w", err)
	}
	return nil
}
