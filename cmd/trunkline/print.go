package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

func (cmd *command) printf(format string, args ...any) { fmt.Fprintf(cmd.out, format, args...) }

// printJSON prints v on standard output.
func (cmd *command) printJSON(v any) error {
	encoder := json.NewEncoder(cmd.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// table is columns on standard output, which are as wide as their widest cell once Flush is called.
type table struct{ *tabwriter.Writer }

func (cmd *command) table(headings ...string) table {
	t := table{tabwriter.NewWriter(cmd.out, 0, 0, 2, ' ', 0)}
	t.row(headings...)
	return t
}

func (t table) row(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")) }
