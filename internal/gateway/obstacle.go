package gateway

import (
	"fmt"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

// obstacle is what keeps FreeSWITCH from loading a row at all, whatever a switch is told: what is loaded of such a
// gateway would be killed for good.
type obstacle struct {
	code   fault.Code
	column string
	why    string
	remedy string
}

// obstacleOf is what is known to keep FreeSWITCH from loading this row, if it is enabled; nil: nothing. profiles are the
// enabled ones.
func obstacleOf(row fusionpbx.Gateway, profiles map[string]fusionpbx.Profile) *obstacle {
	profile, enabled := profiles[row.Profile()]
	switch {
	case !row.Enabled():
	case !enabled:
		return &obstacle{
			fault.ProfileUnavailable, "profile", fmt.Sprintf("its profile %q is no enabled SIP profile", row.Profile()),
			"give the gateway an enabled profile, or enable that one",
		}
	case needsTLS(row, profile):
		return &obstacle{
			fault.InvalidGateway, "register_transport", fmt.Sprintf("its transport is tls, and SIP profile %q has no TLS", row.Profile()),
			"give it a profile that has, or set tls to true among the profile's settings in FusionPBX and restart it",
		}
	case lacksCredentials(row):
		return &obstacle{
			fault.InvalidGateway, "register", "it registers, and lacks a username or a password", "give it both, or set register to false",
		}
	}
	return nil
}

// fault is the obstacle in words. done is what became of the gateway for it.
func (o *obstacle) fault(row fusionpbx.Gateway, done string) error {
	return fault.Errorf(o.code, "%s: FreeSWITCH cannot load gateway %s as its row stands: %s; %s; %s, then reconcile it", o.column, row.UUID, o.why, done, o.remedy)
}

func needsTLS(row fusionpbx.Gateway, profile fusionpbx.Profile) bool {
	return profile.WithoutTLS && strings.EqualFold(row.Get("register_transport"), "tls")
}

// lacksCredentials reports whether FreeSWITCH skips the gateway: it registers without username and password.
func lacksCredentials(row fusionpbx.Gateway) bool {
	return row.Get("register") == "true" && (row.Get("username") == "" || row.Get("password") == "")
}
