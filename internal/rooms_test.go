// Package internal holds the rooms to CONTRIBUTING's table of them.
package internal

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "trunkline/"

// forTests are the rooms that serve callers nothing.
var forTests = regexp.MustCompile(`^(cmd/trunkline-demo|internal/bench|internal/pbxtest.*|internal/postgres/postgrestest)$`)

// room is one package as the Go tools list it.
type room struct {
	ImportPath    string
	Imports, Deps []string
}

// Each room stands in the table once, and imports only rooms below it.
func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	rows := tableOfRooms(t)
	var listed []string
	for _, r := range rooms(t) {
		name := strings.TrimPrefix(r.ImportPath, module)
		listed = append(listed, name)
		own := slices.Index(rows, name)
		if own < 0 {
			t.Errorf("CONTRIBUTING's table lacks the room %s", name)
			continue
		}
		for _, imported := range r.Imports {
			if lower, ours := strings.CutPrefix(imported, module); ours && slices.Index(rows, lower) <= own {
				t.Errorf("%s imports %s, which stands above it", name, lower)
			}
		}
	}
	for i, name := range rows {
		if !slices.Contains(listed, name) {
			t.Errorf("CONTRIBUTING's table has a room %s, which there is not", name)
		}
		if slices.Contains(rows[:i], name) {
			t.Errorf("CONTRIBUTING's table has %s twice", name)
		}
	}
}

// What a room must not know, not even by way of others.
func TestWhatARoomMustNotKnow(t *testing.T) {
	t.Parallel()
	const gin = "github.com/gin-gonic/gin"
	pbxAndItsRules := []string{"internal/freeswitch", "internal/fusionpbx", "internal/gateway", "internal/gateway/file", "internal/cdr", "internal/pbx", gin}
	barred := map[string][]string{
		"api":                 {"worker", "scheduler"},
		"worker":              {"scheduler", gin},
		"scheduler":           {gin},
		"tasks":               pbxAndItsRules,
		"internal/access":     {gin, "tasks"},
		"internal/gateway":    {gin},
		"internal/cdr":        {gin},
		"internal/schedule":   append([]string{"tasks", "internal/postgres"}, pbxAndItsRules...),
		"internal/export":     {"internal/fusionpbx", "internal/freeswitch", gin},
		"internal/fusionpbx":  {"internal/freeswitch", gin},
		"internal/freeswitch": {"internal/fusionpbx", gin},
	}
	for _, r := range rooms(t) {
		name := strings.TrimPrefix(r.ImportPath, module)
		for _, dep := range r.Deps {
			dep = strings.TrimPrefix(dep, module)
			if slices.Contains(barred[name], dep) {
				t.Errorf("%s depends on %s, of which it must not know", name, dep)
			}
			onlyForTests := dep == "testing" || strings.HasPrefix(dep, "testing/") || strings.HasPrefix(dep, "internal/pbxtest")
			if onlyForTests && !forTests.MatchString(name) {
				t.Errorf("%s depends on %s, which is for tests and the demo", name, dep)
			}
		}
		delete(barred, name)
	}
	for name := range barred {
		t.Errorf("there is no room %s", name)
	}
}

// tableOfRooms reads the rooms from CONTRIBUTING.md, from the top down.
func tableOfRooms(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(path.Join("..", "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| room | what it may know |\n")
	table, _, ended := strings.Cut(table, "\n\n")
	if !found || !ended {
		t.Fatal("CONTRIBUTING.md has no table of rooms")
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	var rows []string
	for line := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		for _, name := range quoted.FindAllStringSubmatch(cell, -1) {
			rows = append(rows, name[1])
		}
	}
	if len(rows) < 10 {
		t.Fatalf("CONTRIBUTING.md has only the rooms %v", rows)
	}
	return rows
}

// rooms are the packages of the module, without what only their tests import.
func rooms(t *testing.T) []room {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "./...")
	list.Dir, list.Stderr = "..", os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []room
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var r room
		if err := decoder.Decode(&r); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if r.ImportPath != module+"internal" {
			all = append(all, r)
		}
	}
}
