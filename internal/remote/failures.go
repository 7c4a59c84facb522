package remote

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"trunkline/internal/atomicfile"
	"trunkline/internal/gateway/table"
)

// resultPrefix begins the names of the columns that say what became of a row. An import passes them over.
const resultPrefix = "result_"

// resultColumns are those columns, as the API's own CSV of a job's rows has them.
var resultColumns = []string{resultPrefix + "state", resultPrefix + "action", resultPrefix + "gateway_uuid", resultPrefix + "code", resultPrefix + "error"}

func (i item) results() []string {
	code, why := "", ""
	if i.Error != nil {
		code, why = i.Error.Code, i.Error.String()
	}
	return []string{i.State, i.Action, i.GatewayUUID, code, why}
}

func isResult(tidy string) bool { return strings.HasPrefix(tidy, resultPrefix) }

// writeFailures writes the rows of the file that have these numbers into another one, with what became of each. They
// are as they came, passwords among them, so that nobody else may read it; an import reads it. A file of JSON becomes
// an object a line.
func writeFailures(path string, content []byte, failed map[int]item) error {
	var rows []table.Row
	file, err := table.Read(bytes.NewReader(content), table.Options{
		// The server has read it before.
		Limits: table.Limits{Rows: len(content), Bytes: int64(len(content)), Cell: len(content), Faults: 1},
		Field:  func(name string) string { return name },
		Disarm: isResult,
	}, func(row table.Row) {
		if _, ok := failed[row.Number]; ok {
			maps.Copy(row.Values, row.Controls)
			rows = append(rows, row)
		}
	})
	if err != nil {
		return fmt.Errorf("reading the file again: %w", err)
	}
	columns := slices.DeleteFunc(file.Columns, func(c table.Column) bool { return isResult(c.Field) })
	var out bytes.Buffer
	if file.Format == table.CSV {
		err = writeCSV(&out, file.Delimiter, columns, rows, failed)
	} else {
		err = writeNDJSON(&out, columns, rows, failed)
	}
	if err != nil {
		return err
	}
	return atomicfile.Replacement{Path: path, Content: out.Bytes()}.Write()
}

func writeCSV(out *bytes.Buffer, delimiter string, columns []table.Column, rows []table.Row, failed map[int]item) error {
	w := table.NewCSVWriter(out, delimiter, quoted(rows))
	header := make([]string, 0, len(columns)+len(resultColumns))
	for _, c := range columns {
		header = append(header, c.Name)
	}
	if err := w.Row(append(header, resultColumns...)); err != nil {
		return err
	}
	for _, row := range rows {
		cells := make([]string, 0, cap(header))
		for _, c := range columns {
			cells = append(cells, row.Values[c.Field])
		}
		if err := w.Row(append(cells, failed[row.Number].results()...)); err != nil {
			return err
		}
	}
	return w.Flush()
}

// quoted says whether a cell begins with ', which a server that guards against formulas takes off a file with results
// unless it is guarded. What is one's own needs no guard beside that, and a server that does not guard takes none off.
func quoted(rows []table.Row) bool {
	for _, row := range rows {
		for _, value := range row.Values {
			if strings.HasPrefix(value, "'") {
				return true
			}
		}
	}
	return false
}

func writeNDJSON(out *bytes.Buffer, columns []table.Column, rows []table.Row, failed map[int]item) error {
	w := table.NewNDJSONWriter(out)
	for _, row := range rows {
		var names []string
		var values []*string
		written := map[string]bool{} // another object may spell the name of a field otherwise
		for _, c := range columns {
			if value, given := row.Values[c.Field]; given && !written[c.Field] {
				names, values, written[c.Field] = append(names, c.Name), append(values, &value), true
			}
		}
		for i, value := range failed[row.Number].results() {
			names, values = append(names, resultColumns[i]), append(values, &value)
		}
		if err := w.Row(names, values); err != nil {
			return err
		}
	}
	return w.Flush()
}
