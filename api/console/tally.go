package console

import "trunkline/api/web"

// tally is how many things of a list have a parameter's value, and where these alone are listed. Its template is "tallies", of
// several.
type tally struct {
	Value   string // "": any
	Is      string // in words
	Count   int64
	Path    string
	Current bool // these are shown
}

// newTally is that of a value, by which the page's own address filters its list.
func newTally(r *web.Request, parameter, value, is string, count int64) tally {
	return tally{value, is, count, address(r, parameter, value, "after", ""), r.Params.Get(parameter) == value}
}
