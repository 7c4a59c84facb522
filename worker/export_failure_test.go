package worker

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/internal/fault"
)

// What a standby says in favour of the primary passes; a standby calls it a deadlock if its replay waits for a buffer that
// the export holds.
func TestWhatAStandbySaysPasses(t *testing.T) {
	t.Parallel()
	for code, passes := range map[string]bool{"40001": true, "40P01": true, "57014": false, "42P01": false} {
		err := exportFailure(fmt.Errorf("reading rows: %w", &pgconn.PgError{Code: code}))
		if failure, known := errors.AsType[*fault.Error](err); !known || failure.Passes != passes {
			t.Errorf("%s: got %#v, want Passes %v", code, err, passes)
		}
	}
}
