package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"
)

// pageSize is how many entries a page is asked for.
const pageSize = 200

// list is what was read of a list.
type list struct {
	entries []json.RawMessage
	more    bool                       // there are others, which were not asked for
	first   map[string]json.RawMessage // the first page, for what else it says
}

// pages reads a list from page to page, at most most entries of it, 0 for all, as the flag --limit says.
func (s *session) pages(path string, query url.Values, field string, most int) (list, error) {
	l := list{entries: []json.RawMessage{}}
	if most < 0 {
		return l, errors.New("--limit: write how many to show, or 0 for all")
	}
	query = maps.Clone(query)
	for {
		size := pageSize
		if most > 0 {
			size = min(size, most-len(l.entries))
		}
		query.Set("limit", strconv.Itoa(size))
		page := map[string]json.RawMessage{}
		if err := s.api.Get(s.ctx, path, query, &page); err != nil {
			return l, s.worded(err)
		}
		if l.first == nil {
			l.first = page
		}
		var some []json.RawMessage
		if err := json.Unmarshal(page[field], &some); err != nil {
			return l, fmt.Errorf("the answer of %s has no %s: %w", path, field, err)
		}
		l.entries = append(l.entries, some...)
		after := plain(page["next"])
		l.more = after != "" && after != "0"
		if !l.more || most > 0 && len(l.entries) >= most {
			return l, nil
		}
		query.Set("after", after)
	}
}

// plain is a JSON value as a cell shows it: a text as it is, null as nothing, and else the JSON.
func plain(value json.RawMessage) string {
	var text *string
	if json.Unmarshal(value, &text) != nil {
		return string(value)
	}
	if text == nil {
		return ""
	}
	return *text
}
