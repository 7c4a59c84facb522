package postgres

import "github.com/google/uuid"

// IsUUID reports whether the text is a UUID as Postgres prints one, in either case: not in the braces and
// with the prefix that other readers take too.
func IsUUID(text string) bool {
	const length = len("00000000-0000-0000-0000-000000000000")
	return len(text) == length && uuid.Validate(text) == nil
}
