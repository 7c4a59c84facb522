package remote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"trunkline/internal/gateway/table"
)

// Format is the flag that says how a command prints what it found.
type Format struct {
	Output string `short:"o" enum:"table,json,csv" default:"table" help:"table, json or csv."`
}

// listing is what a command prints.
type listing struct {
	headings []string // as in a table; CSV has them in lower case with underscores
	rows     [][]string
	raw      any // what JSON shows: the API's own answer
}

// print prints the listing in the format that was asked for.
func (s *session) print(f Format, l listing) error {
	switch f.Output {
	case "json":
		return s.printJSON(l.raw)
	case "csv":
		return s.printCSV(l)
	}
	return writeTable(s.out, l.headings, l.rows)
}

// printCSV prints CSV in which a spreadsheet takes nothing for a formula.
func (s *session) printCSV(l listing) error {
	w := table.NewCSVWriter(s.out, "", true)
	names := make([]string, len(l.headings))
	for i, heading := range l.headings {
		names[i] = strings.ReplaceAll(strings.ToLower(heading), " ", "_")
	}
	for _, row := range append([][]string{names}, l.rows...) {
		if err := w.Row(row); err != nil {
			return err
		}
	}
	return w.Flush()
}

// printJSON prints v, indented.
func (s *session) printJSON(v any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	s.printf("%s", indented(text.Bytes()))
	return nil
}

// indented is JSON for people; what is none stays as it is.
func indented(text []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, text, "", "  ") != nil {
		return visible(string(text))
	}
	return visibleJSON(b.String())
}
