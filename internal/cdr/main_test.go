package cdr

import (
	"os"
	"testing"

	"trunkline/internal/pbxtest"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
