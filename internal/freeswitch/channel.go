package freeswitch

import (
	"cmp"
	"context"
	"encoding/json"
)

// A Channel is one leg of a call, as `show channels as json` shows it.
type Channel struct {
	UUID           string `json:"uuid"`
	CallUUID       string `json:"call_uuid"`   // the same for all legs of a call; "" of one that was never bridged
	PresenceID     string `json:"presence_id"` // USER@DOMAIN if FusionPBX knows the extension
	AccountCode    string `json:"accountcode"`
	Context        string `json:"context"`         // the domain, of calls within FusionPBX
	InitialContext string `json:"initial_context"` // "public" of a call from outside
}

// Call returns what the legs of one call have in common.
func (c Channel) Call() string { return cmp.Or(c.CallUUID, c.UUID) }

// PresenceDomain returns PresenceID's host, or "".
func (c Channel) PresenceDomain() string {
	_, host := splitAddress(c.PresenceID)
	return host
}

// Channels asks for all channels that there are.
func (s *Switch) Channels(ctx context.Context) ([]Channel, error) {
	return ask(ctx, s, "show channels as json", parseChannels)
}

// parseChannels reads {"row_count":N,"rows":[...]}; of no channels FreeSWITCH
// leaves the rows out. It reports false if the reply is something else or cut off.
func parseChannels(reply string) ([]Channel, bool) {
	var list struct {
		RowCount *int      `json:"row_count"`
		Rows     []Channel `json:"rows"`
	}
	err := json.Unmarshal([]byte(reply), &list)
	return list.Rows, err == nil && list.RowCount != nil && *list.RowCount == len(list.Rows)
}
