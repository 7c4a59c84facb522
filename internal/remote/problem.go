package remote

import (
	"cmp"
	"errors"
	"strconv"

	"trunkline/internal/client"
	"trunkline/internal/commandline"
)

// shown is an error whose text may be somebody else's, as a terminal may show it.
type shown struct{ error }

func (e shown) Error() string { return visible(e.error.Error()) }

func (e shown) Unwrap() error { return e.error }

// worded is an error of the API as the command ends with it. What is wrong with the rows of a file is shown as a table.
func (s *session) worded(err error) error {
	if err == nil {
		return nil
	}
	if s.ctx.Err() != nil {
		return &commandline.Ended{Status: statusInterrupted, Err: errors.New("interrupted")}
	}
	if problem, ok := errors.AsType[*client.Problem](err); ok && len(problem.Rows) > 0 {
		rows := make([][]string, len(problem.Rows))
		for i, fault := range problem.Rows {
			rows[i] = []string{number(cmp.Or(fault.Line, fault.Row)), fault.Field, fault.Code, fault.Message}
		}
		if err := writeTable(s.err, []string{"LINE", "FIELD", "CODE", "WHAT IS WRONG"}, rows); err != nil {
			return err
		}
		if left := problem.RowsTotal - len(problem.Rows); left > 0 {
			s.tell("and %d more", left)
		}
	}
	return shown{err}
}

// number is a count as a cell shows it: none is nothing.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
