package postgres

import (
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// SchemaChanged reports whether a statement failed because tables or columns are not as it takes them to be: they
// were changed, or are away while somebody changes them. The same statement, written anew, may do.
func SchemaChanged(err error) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains([]string{
		"42P01", // undefined_table
		"42703", // undefined_column
		"42804", // datatype_mismatch
		"42846", // cannot_coerce
		"42883", // undefined_function, as an operator between two types
		"0A000", // a cached plan must not change its result's type
	}, said.Code)
}
