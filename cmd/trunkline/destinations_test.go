package main

import (
	"slices"
	"testing"

	"trunkline/internal/delivery/destinations"
	"trunkline/internal/remote"
)

// Whatever the server keeps sealed is no part of a command line.
func TestNoSecretSettingIsAnArgument(t *testing.T) {
	t.Parallel()
	var sealed []string
	for _, f := range destinations.Fields() {
		if f.Secret {
			sealed = append(sealed, f.Name)
		}
	}
	slices.Sort(sealed)
	if !slices.Equal(sealed, remote.SecretSettings) {
		t.Errorf("the server seals %q, and the commands read %q from files", sealed, remote.SecretSettings)
	}
}
