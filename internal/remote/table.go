package remote

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// writeTable writes rows under headings, in columns as wide as their widest cell. What is empty is a dash, so that columns
// can be told apart.
func writeTable(to io.Writer, headings []string, rows [][]string) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(headings, "\t"))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = cmp.Or(visible(cell), "-")
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
