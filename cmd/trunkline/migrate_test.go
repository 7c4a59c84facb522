package main

import (
	"strings"
	"testing"
)

func TestMigrateWaitsNoLongerThanItIsTold(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"migrate"}, {"migrate", "--wait", "10ms"}} {
		got := runHere(t, []string{"TRUNKLINE_DATABASE_URL=postgres://u:Geheim77@127.0.0.1:1/x"}, args...)
		if got.status != 1 || !strings.Contains(got.err, "TRUNKLINE_DATABASE_URL") || strings.Contains(got.err, "Geheim77") {
			t.Errorf("%v: %s", args, got)
		}
	}
}
