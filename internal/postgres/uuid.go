package postgres

import "github.com/google/uuid"

// IsUUID reports whether the text is a UUID as Postgres prints one, in either case, without the braces or
// the prefix that other parsers also take.
func IsUUID(text string) bool {
	const length = len("00000000-0000-0000-0000-000000000000")
	return len(text) == length && uuid.Validate(text) == nil
}
