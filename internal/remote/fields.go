package remote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// field is one of an object's, as it was written.
type field struct {
	name  string
	value json.RawMessage
}

// fieldsOf are an object's fields in their order.
func fieldsOf(object json.RawMessage) ([]field, error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return nil, fmt.Errorf("the answer is not a JSON object (%v)", err)
	}
	var fields []field
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("reading an answer: %w", err)
		}
		f := field{name: fmt.Sprint(name)}
		if err := decoder.Decode(&f.value); err != nil {
			return nil, fmt.Errorf("reading an answer: %w", err)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// printFields prints an object, a field a line; objects within it are tables below.
func (s *session) printFields(object json.RawMessage) error {
	fields, err := fieldsOf(object)
	if err != nil {
		return err
	}
	wide := 0
	for _, f := range fields {
		wide = max(wide, len(f.name))
	}
	var tables []field
	for _, f := range fields {
		var objects []map[string]json.RawMessage
		if json.Unmarshal(f.value, &objects) == nil && len(objects) > 0 {
			tables = append(tables, f)
			continue
		}
		if text := cellOf(f.value); text != "" {
			s.printf("%-*s  %s\n", wide, visible(f.name), visible(text))
		}
	}
	for _, f := range tables {
		s.printf("\n")
		if err := s.printObjects(f.value); err != nil {
			return err
		}
	}
	return nil
}

// printObjects prints objects as a table, of all the fields that any of them has.
func (s *session) printObjects(array json.RawMessage) error {
	var objects []json.RawMessage
	if err := json.Unmarshal(array, &objects); err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	var headings []string
	column := map[string]int{}
	rows := make([][]string, len(objects))
	for i, object := range objects {
		fields, err := fieldsOf(object)
		if err != nil {
			return err
		}
		for _, f := range fields {
			at, known := column[f.name]
			if !known {
				at = len(headings)
				column[f.name] = at
				headings = append(headings, visible(strings.ToUpper(strings.ReplaceAll(f.name, "_", " "))))
			}
			for len(rows[i]) <= at {
				rows[i] = append(rows[i], "")
			}
			rows[i][at] = cellOf(f.value)
		}
	}
	for i := range rows {
		for len(rows[i]) < len(headings) {
			rows[i] = append(rows[i], "")
		}
	}
	return writeTable(s.out, headings, rows)
}

// cellOf is a value in one line; of a list its elements.
func cellOf(value json.RawMessage) string {
	var elements []json.RawMessage
	if json.Unmarshal(value, &elements) != nil {
		return plain(value)
	}
	texts := make([]string, len(elements))
	for i, element := range elements {
		texts[i] = plain(element)
	}
	return strings.Join(texts, " ")
}
