package export

import "time"

// Manifest describes a whole file.
type Manifest struct {
	File        string      `json:"file"` // its name, without the folder
	Format      Format      `json:"format"`
	Compression Compression `json:"compression,omitempty"`
	Columns     []string    `json:"columns"`
	TimeZone    string      `json:"time_zone"` // of its timestamps
	Rows        int64       `json:"rows"`
	Bytes       int64       `json:"bytes"`
	SHA256      string      `json:"sha256"` // of the file, in hex
	// Sum is of Options.SumColumn; nil if there is none, or if it has what is no finite number.
	Sum *float64 `json:"-"`
	// Counted is how many rows have true in Options.CountColumn.
	Counted int64 `json:"-"`
	// Seen is what the snapshot saw that the file was made in; slices that were taken over were compared with it.
	Seen Seen `json:"-"`
	// KeyColumns are the columns that the rows are ordered by; a file without rows has no keys.
	KeyColumns []string `json:"key_columns,omitempty"`
	// FirstKey are their values in the first row, written as in a CSV file without a layout, null for NULL.
	FirstKey   []*string `json:"first_key,omitempty"`
	LastKey    []*string `json:"last_key,omitempty"` // in the last row
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"` // when the file was synced
	Seconds    float64   `json:"seconds"`     // between the two
}

// keys remembers the key columns of the first and the last row, as they came from the server.
type keys struct {
	columns     []int // indexes of the result's columns
	first, last []keyValue
}

type keyValue struct {
	null bool
	raw  []byte
}

func newKeys(columns []int) keys {
	return keys{columns: columns, first: make([]keyValue, len(columns)), last: make([]keyValue, len(columns))}
}

// see takes the keys of a row. It copies into memory that it keeps, so it does not allocate.
func (k *keys) see(values [][]byte, isFirst bool) {
	for i, c := range k.columns {
		k.last[i].set(values[c])
		if isFirst {
			k.first[i].set(values[c])
		}
	}
}

func (v *keyValue) set(raw []byte) {
	v.null = raw == nil
	v.raw = append(v.raw[:0], raw...)
}

// text is one row's keys as the manifest has them.
func (k *keys) text(columns []column, row []keyValue) ([]*string, error) {
	out := make([]*string, len(row))
	for i, v := range row {
		if v.null {
			continue
		}
		c := &columns[k.columns[i]]
		text := v.raw
		if c.kind != kindText {
			var err error
			if text, err = c.appendValue(nil, v.raw); err != nil {
				return nil, err
			}
		}
		s := string(text)
		out[i] = &s
	}
	return out, nil
}
