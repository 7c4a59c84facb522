package sealing

// Named are the columns whose values name their key.
func Named() (columns []string) {
	for _, n := range named {
		columns = append(columns, n.table+"."+n.column)
	}
	return columns
}
