package gateways

import (
	"fmt"
	"testing"
)

// The columns to blame are named as the file has them, and nothing that somebody wrote is taken for one.
func TestBlamed(t *testing.T) {
	t.Parallel()
	header := []string{"Trunk Name", "Host", "secret", "Notes"}
	for message, want := range map[string]string{
		"gateway_domain: is no host":                                           "[Host]",
		"gateway_domain: is no host; write one; description: is too long":      "[Host Notes]",
		"missing: gateway_username, gateway_password":                          "[gateway_username secret]",
		"missing: gateway_username; gateway_name: is taken":                    "[gateway_username Trunk Name]",
		"gateway_name: is taken; gateway_name: once more":                      "[Trunk Name]",
		"a new gateway needs more: gateway_domain, gateway_username; send it":  "[Host gateway_username]",
		"nonsense: is none; row: 5":                                            "[]",
		"the switch refuses it":                                                "[]",
		"description: holds \"x; profile: y\"; leave it out":                   "[Notes profile]",
		"expire_seconds: is no number; tenant_domain: you are not there; wait": "[expire_seconds tenant_domain]",
	} {
		if got := fmt.Sprint(blamed(message, header)); got != want {
			t.Errorf("%s: got %s, want %s", message, got, want)
		}
	}
}
