package export

import (
	"bytes"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// Rows go on though there is always somebody who waits, and the file is the same.
func TestGiveWay(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55))
	const rows = 5*restRows + 1
	const sql = "select n, 'caller ' || n as caller from generate_series(1, $1::int) n"
	want, _ := export(t, conn, Options{Format: CSV}, sql, rows)
	asked := 0
	got, manifest := export(t, conn, Options{Format: CSV, GiveWay: func() bool { asked++; return true }}, sql, rows)
	if !bytes.Equal(got, want) || manifest.Rows != rows {
		t.Errorf("the file has %d bytes and %d rows, want %d and %d", len(got), manifest.Rows, len(want), rows)
	}
	if asked != 5 {
		t.Errorf("asked %d times, want 5", asked)
	}
}
