package fusionpbx

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestCDRChoice(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		domain := p.domain(t, "one.example", "true")
		extension := p.extension(t, domain, "1001", "", "true")
		gateway := uuid.NewString()
		plain := row{"domain_uuid": domain, "direction": "outbound", "leg": "a", "hangup_cause": "NORMAL_CLEARING", "answer_epoch": "1772366400", "billsec": "60",
			"caller_id_number": "+15551234", "destination_number": "0049301234"}
		for i, other := range []row{
			{}, // 0
			{"direction": "inbound", "extension_uuid": extension}, // 1
			{"leg": "b"}, // 2
			{"hangup_cause": "LOSE_RACE", "answer_epoch": "0", "billsec": "0"},                     // 3
			{"hangup_cause": "NULL", "leg": "NULL"},                                                // 4
			{"domain_uuid": uuid.NewString()},                                                      // 5: a domain that was deleted
			{"billsec": "59", "hangup_cause": "USER_BUSY", "answer_epoch": "NULL"},                 // 6
			{"caller_id_number": "15551234", "destination_number": "0049"},                         // 7
			{"caller_id_number": "NULL", "destination_number": "NULL", "direction": "local"},       // 8
			{"last_arg": "{x=y}sofia/gateway/" + gateway + "/0049301234", "direction": "outbound"}, // 9
			{"conference_name": "room"},                                                            // a
			{"cc_queue": "8000@one.example"},                                                       // b
		} {
			made := row{"xml_cdr_uuid": fmt.Sprintf("00000000-0000-4000-8000-00000000000%x", i), "start_stamp": at.Add(time.Duration(i) * time.Second).Format(time.RFC3339)}
			for _, values := range []row{plain, other} {
				for column, value := range values {
					made[column] = value
				}
			}
			p.insert(t, "v_xml_cdr", made)
		}
		for name, c := range map[string]struct {
			choice CDRChoice
			want   string
		}{
			"all":                   {CDRChoice{}, "0123456789ab"},
			"FusionPBX's page":      {CDRChoice{Page: true}, "016789ab"},
			"an extension":          {CDRChoice{Extensions: []string{"1001", "1002"}}, "1"},
			"an unknown extension":  {CDRChoice{Extensions: []string{"1002"}}, ""},
			"directions":            {CDRChoice{Directions: []string{"inbound", "local"}}, "18"},
			"leg b":                 {CDRChoice{Leg: "b"}, "2"},
			"answered":              {CDRChoice{Answered: true}, "012457" + "89ab"},
			"causes":                {CDRChoice{HangupCauses: []string{"USER_BUSY", "LOSE_RACE"}}, "36"},
			"billed":                {CDRChoice{MinBillsec: 60}, "012457" + "89ab"},
			"callers":               {CDRChoice{CallerPrefix: "+1555"}, "01234569ab"},
			"a caller with SQL":     {CDRChoice{CallerPrefix: "%' or true --"}, ""},
			"destinations":          {CDRChoice{DestinationPrefix: "00493"}, "01234569ab"},
			"a gateway":             {CDRChoice{Gateway: strings.ToUpper(gateway)}, "9"},
			"another gateway":       {CDRChoice{Gateway: uuid.NewString()}, ""},
			"a conference":          {CDRChoice{Conference: "room"}, "a"},
			"a queue":               {CDRChoice{Queue: "8000@one.example"}, "b"},
			"several, all of which": {CDRChoice{Page: true, Directions: []string{"outbound"}, Answered: true, CallerPrefix: "1"}, "7"},
		} {
			filter := CDRFilter{All: true, Start: at, End: at.Add(time.Hour), Columns: []string{"xml_cdr_uuid"}, Choice: c.choice}
			if got := strings.Join(p.lastDigits(t, filter), ""); got != c.want {
				t.Errorf("%s: got %q, want %q", name, got, c.want)
			}
			if more, err := p.MoreCDRsThan(t.Context(), filter, int64(len(c.want))-1); err != nil || !more && c.want != "" {
				t.Errorf("%s: more than %d: %t, %v", name, len(c.want)-1, more, err)
			}
		}
	})
}

func TestCDRChoiceIsChecked(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]CDRChoice{
		`direction: there is no direction "sideways"`: {Directions: []string{"inbound", "sideways"}},
		"leg: is neither a nor b":                     {Leg: "c"},
	} {
		if err := c.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := (CDRChoice{Directions: CDRDirections, Leg: "b"}).Check(); err != nil {
		t.Errorf("got %v", err)
	}
}
