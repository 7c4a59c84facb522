package table

import (
	"errors"
	"fmt"
	"io"

	"trunkline/internal/fault"
)

// counted is a file of which no more is read than it may have.
type counted struct {
	from       io.Reader
	most, left int64
}

// errTooLong is a file of more bytes than that.
var errTooLong = errors.New("the file is too long")

func (c *counted) Read(p []byte) (int, error) {
	if c.left < 0 {
		return 0, errTooLong
	}
	n, err := c.from.Read(p[:min(int64(len(p)), c.left+1)])
	if c.left -= int64(n); c.left < 0 {
		return n - 1, errTooLong
	}
	return n, err
}

// broken words why reading ended early; nil: it came to its end, or the faults say why not.
func (r *reader) broken(err error) error {
	own, worded := errors.AsType[*fault.Error](err)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, errTooLong):
		tooLong := fault.Errorf(fault.TooLarge, "the file has more than %d bytes (TRUNKLINE_BULK_BYTES); send it in parts", r.bytes.most)
		tooLong.Details, tooLong.DetailsTotal = []fault.Detail{{Line: r.here(), Code: tooLong.Code, Message: tooLong.Message}}, 1
		return tooLong
	case worded:
		return own
	}
	return &fault.Error{Code: fault.InvalidRequest, Message: "the file broke off before its end; send it again", Cause: err}
}

func tooManyRows(most int) string {
	return fmt.Sprintf("there are more than %d rows (TRUNKLINE_BULK_ROWS); send the file in parts", most)
}

func tooLongCell(most int) string {
	return fmt.Sprintf("is longer than %d bytes; shorten it", most)
}

// Sum says in one sentence what is wrong, of which the first is quoted.
func Sum(faults []fault.Detail, total int) string {
	text := faults[0].Message
	if faults[0].Line > 0 {
		text = fmt.Sprintf("line %d: %s", faults[0].Line, text)
	}
	switch more := total - 1; more {
	case 0:
		return text
	case 1:
		return text + "; and one more, in errors"
	default:
		return fmt.Sprintf("%s; and %d more, in errors", text, more)
	}
}
