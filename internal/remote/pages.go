package remote

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
)

// pageSize is how many entries a page is asked for.
const pageSize = 200

// pages are the entries of a list from page to page, at most most of them, 0 for all. more says that there are others.
func (s *session) pages(path string, query url.Values, field string, most int) (entries []json.RawMessage, more bool, err error) {
	entries = []json.RawMessage{}
	for {
		size := pageSize
		if most > 0 {
			size = min(size, most-len(entries))
		}
		query.Set("limit", strconv.Itoa(size))
		page := map[string]json.RawMessage{}
		if err := s.api.Get(s.ctx, path, query, &page); err != nil {
			return nil, false, s.worded(err)
		}
		var some []json.RawMessage
		var next json.RawMessage
		if err := json.Unmarshal(page[field], &some); err != nil {
			return nil, false, fmt.Errorf("the answer of %s has no %s: %w", path, field, err)
		}
		entries, next = append(entries, some...), page["next"]
		after := plain(next)
		if after == "" || after == "0" || most > 0 && len(entries) >= most {
			return entries, after != "" && after != "0", nil
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
