package gateways

import (
	"net/http"
	"strconv"

	"trunkline/api/web"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
)

// GatewayDetail is a gateway with all columns of its row but the password, and how each switch shows it. A column that
// is empty is absent; so is a number that FusionPBX keeps as a text that is none.
type GatewayDetail struct {
	GatewayUUID  string   `json:"gateway_uuid" format:"uuid"` // FusionPBX's, and the name that FreeSWITCH knows
	GatewayName  string   `json:"gateway_name"`               // the label: column gateway
	TenantDomain string   `json:"tenant_domain"`              // its domain, or global
	DomainUUID   string   `json:"domain_uuid,omitempty" format:"uuid"`
	ExternalIDs  []string `json:"external_ids"` // by which callers know it
	PasswordSet  bool     `json:"password_set"` // there is a password, which is never shown

	GatewayUsername    string `json:"gateway_username,omitempty"` // the account at the carrier: column username
	Enabled            bool   `json:"enabled"`
	Proxy              string `json:"proxy,omitempty"`
	Realm              string `json:"realm,omitempty"`
	Register           bool   `json:"register"`
	Profile            string `json:"profile,omitempty"`
	RegisterTransport  string `json:"register_transport,omitempty"`
	RegisterProxy      string `json:"register_proxy,omitempty"`
	OutboundProxy      string `json:"outbound_proxy,omitempty"`
	AuthUsername       string `json:"auth_username,omitempty"`
	FromUser           string `json:"from_user,omitempty"`
	FromDomain         string `json:"from_domain,omitempty"`
	ContactParams      string `json:"contact_params,omitempty"`
	Extension          string `json:"extension,omitempty"`
	ExtensionInContact bool   `json:"extension_in_contact"`
	ExpireSeconds      *int64 `json:"expire_seconds,omitempty"`
	RetrySeconds       *int64 `json:"retry_seconds,omitempty"`
	Ping               *int64 `json:"ping,omitempty"`
	PingMin            *int64 `json:"ping_min,omitempty"`
	PingMax            *int64 `json:"ping_max,omitempty"`
	ContactInPing      bool   `json:"contact_in_ping"`
	Channels           *int64 `json:"channels,omitempty"`
	DistinctTo         bool   `json:"distinct_to"`
	CallerIDInFrom     bool   `json:"caller_id_in_from"`
	SupressCNG         bool   `json:"supress_cng"`
	SIPCIDType         string `json:"sip_cid_type,omitempty"`
	CodecPrefs         string `json:"codec_prefs,omitempty"`
	Context            string `json:"context,omitempty"`
	Hostname           string `json:"hostname,omitempty"`
	Description        string `json:"description,omitempty"`

	State    string       `json:"state"`                         // FreeSWITCH's word for the registration, NOT_LOADED or UNKNOWN
	Status   string       `json:"status" enum:"UP,DOWN,UNKNOWN"` // UP if it is up on every switch that it is meant for; UNKNOWN if one does not answer
	Switches []LiveDetail `json:"switches"`
	Warnings []string     `json:"warnings,omitempty"` // a switch that does not answer
}

// LiveDetail is a gateway as one switch shows it, with its calls since it was loaded there.
type LiveDetail struct {
	gateway.Shown
	CallsIn        *int64 `json:"calls_in,omitempty"` // absent, as the others, if the switch has it not loaded or does not answer
	CallsOut       *int64 `json:"calls_out,omitempty"`
	FailedCallsIn  *int64 `json:"failed_calls_in,omitempty"`
	FailedCallsOut *int64 `json:"failed_calls_out,omitempty"`
}

// show shows the gateway of the path.
func (s *Service) show(r *web.Request) error {
	detail, tag, err := s.Show(r)
	if err != nil {
		return err
	}
	setTag(r, tag)
	r.Answer(http.StatusOK, detail)
	return nil
}

// Show is the gateway of the path. The tag is of its row, and does not change with what the switches show.
func (s *Service) Show(r *web.Request) (d GatewayDetail, tag string, err error) {
	row, err := s.rowOfPath(r)
	if err != nil {
		return d, "", err
	}
	d, err = s.detail(r, row)
	return d, gateway.Tag(s.tasks.Keys(), row), err
}

// rowOfPath is the row of the gateway of the path.
func (s *Service) rowOfPath(r *web.Request) (row fusionpbx.Gateway, err error) {
	t, err := s.ofPath(r)
	if err != nil {
		return row, err
	}
	if t.resolved.GatewayUUID == "" || t.absent {
		return row, t.noGateway()
	}
	rows, err := s.db.GatewaysByUUIDs(r.Context(), []string{t.resolved.GatewayUUID})
	if err != nil {
		return row, err
	}
	row, there := rows[t.resolved.GatewayUUID]
	if !there || row.DomainUUID != t.DomainUUID {
		return row, t.noGateway()
	}
	return row, nil
}

func (s *Service) detail(r *web.Request, row fusionpbx.Gateway) (d GatewayDetail, err error) {
	ctx := r.Context()
	flag := func(column string) bool { return row.Get(column) == "true" }
	number := func(column string) *int64 {
		n, err := strconv.ParseInt(row.Get(column), 10, 64)
		if err != nil {
			return nil
		}
		return &n
	}
	d = GatewayDetail{
		GatewayUUID: row.UUID, GatewayName: row.Label(), DomainUUID: row.DomainUUID, PasswordSet: row.Get("password") != "",
		GatewayUsername: row.Get("username"), Enabled: row.Enabled(), Proxy: row.Get("proxy"), Realm: row.Get("realm"), Register: flag("register"),
		Profile: row.Profile(), RegisterTransport: row.Get("register_transport"), RegisterProxy: row.Get("register_proxy"), OutboundProxy: row.Get("outbound_proxy"),
		AuthUsername: row.Get("auth_username"), FromUser: row.Get("from_user"), FromDomain: row.Get("from_domain"), ContactParams: row.Get("contact_params"),
		Extension: row.Get("extension"), ExtensionInContact: flag("extension_in_contact"), ExpireSeconds: number("expire_seconds"), RetrySeconds: number("retry_seconds"),
		Ping: number("ping"), PingMin: number("ping_min"), PingMax: number("ping_max"), ContactInPing: flag("contact_in_ping"), Channels: number("channels"),
		DistinctTo: flag("distinct_to"), CallerIDInFrom: flag("caller_id_in_from"), SupressCNG: flag("supress_cng"), SIPCIDType: row.Get("sip_cid_type"),
		CodecPrefs: row.Get("codec_prefs"), Context: row.Get("context"), Hostname: row.Get("hostname"), Description: row.Get("description"),
	}
	names, err := s.domainNames(ctx, []fusionpbx.Gateway{row})
	if err != nil {
		return d, err
	}
	d.TenantDomain = names[row.DomainUUID]
	ids, err := gateway.ExternalIDs(ctx, s.pbx.Pool, []string{row.UUID})
	if err != nil {
		return d, err
	}
	d.ExternalIDs = append([]string{}, ids[row.UUID]...)
	views := s.viewGateway(ctx, row.UUID, row.Get("hostname") != "")
	if err := ctx.Err(); err != nil {
		return d, err
	}
	shown := shownBy(row, views)
	d.State, d.Status = gateway.StateOf(shown)
	history, err := gateway.ReadHistory(ctx, s.pbx.Pool, []string{row.UUID})
	if err != nil {
		return d, err
	}
	history.AddTo(row.UUID, shown)
	d.Switches = make([]LiveDetail, len(shown))
	for i := range shown {
		d.Switches[i].Shown = shown[i]
	}
	for _, view := range views {
		if view.err != nil {
			d.Warnings = append(d.Warnings, view.err.Error())
		}
		for i := range d.Switches {
			if g := view.gateways[row.UUID]; g != nil && d.Switches[i].Switch == view.addr {
				d.Switches[i].CallsIn, d.Switches[i].CallsOut = &g.CallsIn, &g.CallsOut
				d.Switches[i].FailedCallsIn, d.Switches[i].FailedCallsOut = &g.FailedCallsIn, &g.FailedCallsOut
			}
		}
	}
	return d, nil
}
