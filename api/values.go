package api

import (
	"strconv"
	"strings"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// What parameters of several endpoints hold is read here, so that it may be written the same way at each.

const (
	// defaultPage and maxPage are how many entries a page of a list has.
	defaultPage = 50
	maxPage     = 200
)

// limit reads how long a page may be.
func (r *request) limit() (int, error) {
	text := r.params.get("limit")
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, fault.Invalid("limit", "is not a number from 1 to %d", maxPage)
	}
	return n, nil
}

// after reads which entry the page before ended with, in a list whose entries have UUIDs; "" is the first
// page.
func (r *request) after() (string, error) {
	id := r.params.get("after")
	if id != "" && !postgres.IsUUID(id) {
		return "", fault.Invalid("after", "is not what the page before gave as next")
	}
	return id, nil
}

// flag reads what is true or false, and false where it is not given.
func (r *request) flag(name string) (bool, error) {
	text := r.params.get(name)
	if text == "" {
		return false, nil
	}
	return parseFlag(name, text)
}

// parseFlag reads true or false as people and PHP write them.
func parseFlag(name, text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "yes":
		return true, nil
	case "false", "0", "no":
		return false, nil
	}
	return false, fault.Invalid(name, "is neither true nor false; write one of them")
}

// moment reads a time, nil where it was not given. A date is its first moment in UTC.
func (r *request) moment(name string) (*time.Time, error) {
	text := r.params.get(name)
	if text == "" {
		return nil, nil
	}
	t, ok := cdr.ParseStart(text, time.UTC)
	if !ok {
		return nil, fault.Invalid(name, "%q is not a time; write 2024-01-31 or 2024-01-31T18:00:00Z", shortened(text))
	}
	return &t, nil
}

// commaSeparated splits at commas and drops what is empty.
func commaSeparated(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
