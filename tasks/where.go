package tasks

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// where is the condition of a filter. It holds what is asked for and no more, so that the indexes that go with that are found.
type where struct {
	sql  string
	args []any
}

// arg is the name of one more argument.
func (w *where) arg(value any) string {
	w.args = append(w.args, value)
	return fmt.Sprintf("$%d", len(w.args))
}

func (w *where) and(condition string) {
	if w.sql != "" {
		w.sql += " and "
	}
	w.sql += condition
}

// where is the filter's, but for its text.
func (f Filter) where() *where {
	w := &where{}
	switch {
	case f.NoDomain:
		w.and("domain_uuid is null and " + within(w.arg(f.Domains.All), w.arg(f.Domains.UUIDs())))
	case f.Domains.All:
		w.and("true")
	default:
		w.and(within("false", w.arg(f.Domains.UUIDs())))
	}
	for _, c := range []struct{ column, value string }{
		{"kind", string(f.Kind)}, {"state", string(f.State)}, {"external_id", f.ExternalID}, {"created_by_name", f.Who},
	} {
		if c.value != "" {
			w.and(c.column + " = " + w.arg(c.value))
		}
	}
	if f.Kinds != nil {
		w.and("kind = any(" + w.arg(f.Kinds) + ")")
	}
	if f.IDs != nil {
		w.and("id = any(" + w.arg(f.IDs) + "::uuid[])")
	}
	if f.After != "" {
		w.and("id < " + w.arg(f.After))
	}
	if f.CreatedFrom != nil {
		w.and("created_at >= " + w.arg(*f.CreatedFrom))
		w.and("id >= " + w.arg(idAt(f.CreatedFrom.Add(-clockSlack))))
	}
	if f.CreatedBefore != nil {
		w.and("created_at < " + w.arg(*f.CreatedBefore))
		w.and("id < " + w.arg(idAt(f.CreatedBefore.Add(clockSlack))))
	}
	return w
}

// clockSlack is by how much the clocks of the front ends, which a job's id has its time from, may be off the database's.
const clockSlack = time.Hour

// idAt is the least id of a job that was made then: the time stands first in it (RFC 9562, version 7), so that the index on
// the id finds a span of time.
func idAt(t time.Time) uuid.UUID {
	var id uuid.UUID
	ms := make([]byte, 8)
	binary.BigEndian.PutUint64(ms, uint64(min(max(t.UnixMilli(), 0), 1<<48-1)))
	copy(id[:], ms[2:])
	return id
}

// textIn is a condition: the text stands in the job's error or in what it is about.
func textIn(text string) string {
	return "(strpos(lower(subject), lower(" + text + ")) > 0 or strpos(lower(error_message), lower(" + text + ")) > 0)"
}
