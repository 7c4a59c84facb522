package fssim

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Channel is one leg of a call: the values of what `show channels` prints, by the names of channelFields.
type Channel map[string]string

var channelFields = []string{
	"uuid", "direction", "created", "created_epoch", "name", "state", "cid_name", "cid_num", "ip_addr", "dest",
	"application", "application_data", "dialplan", "context", "read_codec", "read_rate", "read_bit_rate",
	"write_codec", "write_rate", "write_bit_rate", "secure", "hostname", "presence_id", "presence_data", "accountcode",
	"callstate", "callee_name", "callee_num", "callee_direction", "call_uuid", "sent_callee_name", "sent_callee_num",
	"initial_cid_name", "initial_cid_num", "initial_ip_addr", "initial_dest", "initial_dialplan", "initial_context",
}

// callFields are those of `show calls`: of one leg, and with b_ of the other if they are bridged.
var callFields = []string{
	"uuid", "direction", "created", "created_epoch", "name", "state", "cid_name", "cid_num", "ip_addr", "dest",
	"presence_id", "presence_data", "accountcode", "callstate", "callee_name", "callee_num", "callee_direction",
	"call_uuid", "hostname", "sent_callee_name", "sent_callee_num",
	"b_uuid", "b_direction", "b_created", "b_created_epoch", "b_name", "b_state", "b_cid_name", "b_cid_num", "b_ip_addr",
	"b_dest", "b_presence_id", "b_presence_data", "b_accountcode", "b_callstate", "b_callee_name", "b_callee_num",
	"b_callee_direction", "b_sent_callee_name", "b_sent_callee_num", "call_created_epoch",
}

// AddChannel adds a channel as it is given, but for the switch's host name.
func (s *Switch) AddChannel(c Channel) {
	c = maps.Clone(c)
	c["hostname"] = s.opts.Hostname
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels = append(s.channels, c)
}

// AddCall bridges two extensions of a domain, as FusionPBX's dialplan does: two channels that have the
// call's UUID, which it returns, in common.
func (s *Switch) AddCall(domain, from, to string) (call string) {
	call = uuid.NewString()
	now := time.Now()
	leg := func(id, direction, extension string) Channel {
		return Channel{
			"uuid": id, "direction": direction, "created": now.Format(time.DateTime), "created_epoch": strconv.FormatInt(now.Unix(), 10),
			"name": "sofia/internal/" + extension + "@" + domain, "state": "CS_EXECUTE", "cid_name": from, "cid_num": from, "dest": to,
			"dialplan": "XML", "context": domain, "presence_id": extension + "@" + domain, "accountcode": domain, "callstate": "ACTIVE",
			"callee_name": to, "callee_num": to, "call_uuid": call,
			"initial_cid_name": from, "initial_cid_num": from, "initial_dest": to, "initial_dialplan": "XML", "initial_context": domain,
		}
	}
	s.AddChannel(leg(call, "inbound", from))
	s.AddChannel(leg(uuid.NewString(), "outbound", to))
	return call
}

// EndCall hangs up all channels of a call.
func (s *Switch) EndCall(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels = slices.DeleteFunc(s.channels, func(c Channel) bool { return c["call_uuid"] == call || c["uuid"] == call })
}

func (s *Switch) channelRows() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows [][]string
	for _, c := range s.channels {
		rows = append(rows, c.values(channelFields))
	}
	return rows
}

// callRows are the channels that began a call, each with the one that it is bridged to.
func (s *Switch) callRows() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows [][]string
	for _, c := range s.channels {
		if c["call_uuid"] != "" && c["call_uuid"] != c["uuid"] {
			continue // the other leg
		}
		call := maps.Clone(c)
		other := slices.IndexFunc(s.channels, func(o Channel) bool { return o["call_uuid"] == c["uuid"] && o["uuid"] != c["uuid"] })
		if other >= 0 {
			for field, value := range s.channels[other] {
				call["b_"+field] = value
			}
			call["call_created_epoch"] = c["created_epoch"]
		}
		rows = append(rows, call.values(callFields))
	}
	return rows
}

func (c Channel) values(fields []string) []string {
	values := make([]string, len(fields))
	for i, field := range fields {
		values[i] = c[field]
	}
	return values
}
