package fault

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What a database said is in no message, however deep it lies and however it was formatted, and is there for the log.
func TestMessagesHoldNoDatabasesText(t *testing.T) {
	t.Parallel()
	said := &pgconn.PgError{Code: "42804", Message: `column "register" is of type boolean`}
	deep := fmt.Errorf("writing gateways: %w", fmt.Errorf("inserting: %w", said))
	for name, fault := range map[string]*Error{
		"wrapped":   Errorf(ServerError, "%w", deep),
		"formatted": Errorf(ServerError, "it failed (%v)", deep),
		"a string":  Errorf(ServerError, "it failed: %s", deep),
		"joined":    Errorf(ServerError, "%w", errors.Join(errors.New("two"), deep)),
		"parameter": Invalid("domain", "cannot be looked up: %v", deep),
		"as text":   Errorf(ServerError, "it failed: "+Text(deep)),
	} {
		if strings.Contains(fault.Message, "register") || strings.Contains(fault.Message, "42804") || !strings.Contains(fault.Message, "the log has its reason") {
			t.Errorf("%s: got %q", name, fault.Message)
		}
	}
	if f := Errorf(ServerError, "%w", deep); !errors.Is(f, said) || !strings.Contains(f.Cause.Error(), "register") {
		t.Errorf("the log would not have the reason: %v", f.Cause)
	}
	worded := Errorf(Conflict, "it was changed: %w", deep)
	if got := Errorf(ServerError, "%w; look at it", worded).Message; got != worded.Message+"; look at it" {
		t.Errorf("what was worded before is %q", got)
	}
}
