package export

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// BenchmarkRow writes rows as FusionPBX's CDRs are, in every format.
func BenchmarkRow(b *testing.B) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	uuid := []byte("0123456789abcdef")
	stamp := binary.BigEndian.AppendUint64(nil, 763_344_000_000_000)
	var columns []column
	var values [][]byte
	add := func(kind kind, raw []byte) {
		columns = append(columns, column{at: len(columns), name: fmt.Sprint("c", len(columns)), kind: kind, zone: zone})
		values = append(values, raw)
	}
	for range 3 {
		add(kindUUID, uuid)
		add(kindTimestamptz, stamp)
		add(kindNumber, []byte("1718000000"))
		add(kindText, []byte("tenant1.example.com"))
		add(kindUUID, nil)
		for _, text := range []string{"Ann Example", "+15551234567", "1001", "PCMU", "answered"} {
			add(kindText, []byte(text))
		}
	}
	for _, format := range Formats() {
		b.Run(string(format), func(b *testing.B) {
			e, _, err := newEncoder(columns, len(columns), Options{Format: format, FormulaGuard: true})
			if err != nil {
				b.Fatal(err)
			}
			buffer := newBuffer()
			for b.Loop() {
				if _, err := e.row(buffer, values); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
