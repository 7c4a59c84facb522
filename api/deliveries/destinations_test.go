package deliveries

import (
	"testing"

	"trunkline/api/params"
	"trunkline/internal/delivery/destinations"
)

// Whatever is kept sealed is refused in a URL, whichever kind of destination it is of.
func TestNoCredentialsInURLs(t *testing.T) {
	t.Parallel()
	for _, f := range destinations.Fields() {
		if f.Secret != params.IsSecret(f.Name) {
			t.Errorf("%s: package params has to know that it is secret", f.Name)
		}
		if f.About == "" || f.Name == "" {
			t.Errorf("%+v: nothing says what it means", f)
		}
	}
}
