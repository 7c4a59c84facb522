package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The program that serves callers contains no simulation, and nothing that is there for tests alone.
func TestNothingOfTestsIsInTheProgram(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	must(t, err)
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, "trunkline/api") {
		t.Fatalf("this is no list of what is in it: %v", packages)
	}
	for _, name := range packages {
		if name == "testing" || strings.HasPrefix(name, "testing/") || strings.Contains(name, "/pbxtest") {
			t.Errorf("it contains %s", name)
		}
	}
}
