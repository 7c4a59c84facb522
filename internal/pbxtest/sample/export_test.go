package sample

import "fmt"

// RecordedColumns are the columns of a version as its file has them: table.column type notnull.
func RecordedColumns(v Version) ([]string, error) {
	columns, err := schemaOf(v)
	var lines []string
	for _, c := range columns {
		lines = append(lines, fmt.Sprintf("%s.%s %s %v", c.table, c.name, c.sqlType, c.notNull))
	}
	return lines, err
}
