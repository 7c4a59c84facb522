package console

import (
	"net/url"

	"trunkline/api/web"
)

// address is the page's own with these parameters, in pairs, in place of its: "" takes one out. So a filter stands in the
// address whatever page of the list is shown.
func address(r *web.Request, pairs ...string) string {
	return addressAt(r, r.HTTP().URL.EscapedPath(), pairs...)
}

// addressAt is the same at another page's path.
func addressAt(r *web.Request, path string, pairs ...string) string {
	values := url.Values{}
	for name, value := range r.Params {
		if value != "" {
			values.Set(name, value)
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Del(pairs[i])
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// filtered reports whether the address asks for less than everything: it has a parameter beside those of the list's pages and
// of its times.
func filtered(r *web.Request) bool {
	for name, value := range r.Params {
		if value != "" && name != "after" && name != "limit" && name != zoneParam.Name {
			return true
		}
	}
	return false
}

// pager leads through a list by its cursor. Its template is "pager".
type pager struct {
	First string // "" on the first page
	Next  string // "" on the last one
}

// newPager is the one of a list whose next page begins after the cursor, "" if there is none.
func newPager(r *web.Request, next string) pager {
	var p pager
	if r.Params.Get("after") != "" {
		p.First = address(r, "after", "")
	}
	if next != "" {
		p.Next = address(r, "after", next)
	}
	return p
}
