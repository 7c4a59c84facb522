// Package params reads a request's parameters, from its query and its body alike, and what those that
// several endpoints have hold, so that it may be written the same way at each. It must not know any
// endpoint.
package params

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// Values are parameters by lower-case name. They are valid UTF-8 without control characters, but for the
// line breaks and tabs of those that may have several lines.
type Values map[string]string

// Get returns the value without space around it, "" if there is none.
func (v Values) Get(name string) string { return strings.TrimSpace(v[name]) }

// Raw returns the value exactly as given: a password may begin with a space.
func (v Values) Raw(name string) string { return v[name] }

// Has reports whether the parameter was given, be it empty.
func (v Values) Has(name string) bool {
	_, ok := v[name]
	return ok
}

// Absent are those of the names that were not given, or given empty.
func (v Values) Absent(names ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return v.Get(name) != "" })
}

const (
	// DefaultPage and MaxPage are how many entries a page of a list has.
	DefaultPage = 50
	MaxPage     = 200
)

// Limit reads how long a page may be.
func (v Values) Limit() (int, error) {
	return v.Number("limit", DefaultPage, 1, MaxPage)
}

// Page reads which part of a list is asked for: the UUID of the entry that the page before ended with, ""
// for the first page, and how long a page may be.
func (v Values) Page() (after string, limit int, err error) {
	after = v.Get("after")
	if after != "" && !postgres.IsUUID(after) {
		return "", 0, fault.Invalid("after", "is not what the page before gave as next")
	}
	limit, err = v.Limit()
	return after, limit, err
}

// Number reads a whole number of least to most, and usual if it is not given.
func (v Values) Number(name string, usual, least, most int) (int, error) {
	text := v.Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fault.Invalid(name, "is not a whole number from %d to %d", least, most)
	}
	return n, nil
}

// Flag reads what is true or false, and false if it is not given.
func (v Values) Flag(name string) (bool, error) {
	text := v.Get(name)
	if text == "" {
		return false, nil
	}
	return ParseFlag(name, text)
}

// ParseFlag reads true or false as people and PHP write them.
func ParseFlag(name, text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "yes":
		return true, nil
	case "false", "0", "no":
		return false, nil
	}
	return false, fault.Invalid(name, "is neither true nor false; write one of them")
}

// Time reads a time, nil if it was not given. A date is its first moment in UTC.
func (v Values) Time(name string) (*time.Time, error) {
	text := v.Get(name)
	if text == "" {
		return nil, nil
	}
	t, ok := cdr.ParseStart(text, time.UTC)
	if !ok {
		return nil, fault.Invalid(name, "%.200q is not a time; write 2024-01-31 or 2024-01-31T18:00:00Z", text)
	}
	return &t, nil
}

// Split splits a text at commas and drops what is empty.
func Split(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
