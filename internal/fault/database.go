package fault

import (
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// fromDatabase is an error whose own text is a database's: it names tables, columns, values and hosts.
type fromDatabase struct{ error }

func (fromDatabase) Error() string {
	return "the database did not carry out a statement, and the log has its reason"
}

func (e fromDatabase) Unwrap() error { return e.error }

// Text is what an error says to a caller: itself, unless it holds what a database said.
func Text(err error) string { return safe(err).Error() }

func safe(err error) error {
	if _, worded := errors.AsType[*Error](err); worded {
		return err
	}
	_, refused := errors.AsType[*pgconn.PgError](err)
	_, unreached := errors.AsType[*pgconn.ConnectError](err)
	_, misread := errors.AsType[*pgconn.ParseConfigError](err)
	if refused || unreached || misread {
		return fromDatabase{err}
	}
	return err
}

func shown(args []any) []any {
	args = slices.Clone(args)
	for i, arg := range args {
		if err, ok := arg.(error); ok && err != nil {
			args[i] = safe(err)
		}
	}
	return args
}
