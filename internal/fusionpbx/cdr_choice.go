package fusionpbx

import (
	"fmt"
	"slices"
	"strings"
)

// CDRChoice narrows down which CDRs are meant. All that is set has to hold; the zero value is every row.
type CDRChoice struct {
	// Page leaves out what FusionPBX's own page does not show: calls that were answered elsewhere (LOSE_RACE), and with
	// them those without a cause, leg b, and rows of no domain that there is.
	Page bool `json:"page,omitempty"`
	// Extensions are numbers; a call is one's if it is tied to it now.
	Extensions        []string `json:"extensions,omitempty"`
	Directions        []string `json:"directions,omitempty"` // some of CDRDirections
	Leg               string   `json:"leg,omitempty"`        // a or b
	Answered          bool     `json:"answered,omitempty"`   // answered calls alone
	HangupCauses      []string `json:"hangup_causes,omitempty"`
	MinBillsec        int      `json:"min_billsec,omitempty"`        // billed seconds, at least
	CallerPrefix      string   `json:"caller_prefix,omitempty"`      // what the caller's number begins with
	DestinationPrefix string   `json:"destination_prefix,omitempty"` // what the destination begins with
	// Gateway is the UUID of one that a call was bridged to as the last thing that was done with it.
	Gateway    string `json:"gateway,omitempty"`
	Conference string `json:"conference,omitempty"` // its name
	Queue      string `json:"queue,omitempty"`      // a call centre's, as cc_queue has it: name@domain
}

// CDRDirections are those that FusionPBX writes.
var CDRDirections = []string{"inbound", "outbound", "local"}

// conditions are those on rows of v_xml_cdr, as SQL with the arguments that it adds to args. Errors: this version lacks a
// column that the choice needs; they name the parameter.
func (c CDRChoice) conditions(d *DB, args []any) (sql string, _ []any, err error) {
	var all []string
	add := func(parameter, column, condition string, values ...any) {
		if column != "" && !d.hasColumn("v_xml_cdr", column) {
			err = fmt.Errorf("%s: FusionPBX's table v_xml_cdr here has no column %s to choose by; leave %s out", parameter, column, parameter)
			return
		}
		for _, value := range values {
			args = append(args, value)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		all = append(all, " and "+condition)
	}
	if c.Page {
		add("view", "hangup_cause", "v_xml_cdr.hangup_cause <> 'LOSE_RACE'")
		add("view", "leg", "v_xml_cdr.leg is distinct from 'b'")
		add("view", "", "exists (select from v_domains where v_domains.domain_uuid = v_xml_cdr.domain_uuid)")
	}
	if len(c.Extensions) > 0 {
		add("extension", "extension_uuid", `exists (select from v_extensions where v_extensions.extension_uuid = v_xml_cdr.extension_uuid
			and v_extensions.extension = any(?::text[]))`, c.Extensions)
	}
	if len(c.Directions) > 0 {
		add("direction", "direction", "v_xml_cdr.direction = any(?::text[])", c.Directions)
	}
	if c.Leg != "" {
		add("leg", "leg", "v_xml_cdr.leg = ?", c.Leg)
	}
	if c.Answered {
		add("answered", "answer_epoch", d.number("v_xml_cdr", "v_xml_cdr.answer_epoch")+" > 0")
	}
	if len(c.HangupCauses) > 0 {
		add("hangup_cause", "hangup_cause", "v_xml_cdr.hangup_cause = any(?::text[])", c.HangupCauses)
	}
	if c.MinBillsec > 0 {
		add("min_billsec", "billsec", d.number("v_xml_cdr", "v_xml_cdr.billsec")+" >= ?::bigint", c.MinBillsec)
	}
	const begins = "left(v_xml_cdr.%s, char_length(?::text)) = ?"
	if c.CallerPrefix != "" {
		add("caller_prefix", "caller_id_number", fmt.Sprintf(begins, "caller_id_number"), c.CallerPrefix, c.CallerPrefix)
	}
	if c.DestinationPrefix != "" {
		add("destination_prefix", "destination_number", fmt.Sprintf(begins, "destination_number"), c.DestinationPrefix, c.DestinationPrefix)
	}
	if c.Gateway != "" {
		add("gateway", "last_arg", "strpos(v_xml_cdr.last_arg, ?) > 0", "sofia/gateway/"+strings.ToLower(c.Gateway)+"/")
	}
	if c.Conference != "" {
		add("conference", "conference_name", "v_xml_cdr.conference_name = ?", c.Conference)
	}
	if c.Queue != "" {
		add("queue", "cc_queue", "v_xml_cdr.cc_queue = ?", c.Queue)
	}
	return strings.Join(all, ""), args, err
}

// Check refuses a direction or a leg that FusionPBX does not write.
func (c CDRChoice) Check() error {
	for _, direction := range c.Directions {
		if !slices.Contains(CDRDirections, direction) {
			return fmt.Errorf("direction: there is no direction %.200q; write some of %s", direction, strings.Join(CDRDirections, ", "))
		}
	}
	if c.Leg != "" && c.Leg != "a" && c.Leg != "b" {
		return fmt.Errorf("leg: is neither a nor b")
	}
	return nil
}
