// Command testlines reads what `go test -json` writes and prints it for people: a line a package as soon as it
// ends, and of tests that fail all that they said. Without it go test holds a package's line back until all that
// were named before it have ended.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() { os.Exit(run(os.Stdin, os.Stdout)) }

// event is a line of `go test -json`; see `go doc test2json`.
type event struct {
	Action, Package, ImportPath, Test, Output string
}

// maxLine bounds a line that is read, in bytes.
const maxLine = 16 << 20

// run prints what it reads until its end, and returns 1 if something failed.
func run(in io.Reader, out io.Writer) (status int) {
	said := map[[2]string]*strings.Builder{} // by package and test
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(out, lines.Text()) // what a tool before it says
			continue
		}
		key := [2]string{e.Package, e.Test}
		switch e.Action {
		case "build-output":
			fmt.Fprint(out, e.Output)
		case "output":
			if said[key] == nil {
				said[key] = &strings.Builder{}
			}
			said[key].WriteString(e.Output)
		case "fail", "build-fail":
			status = 1
			if e.Test == "" { // a test that had not ended when its package did says where it stood
				for _, other := range slices.SortedFunc(maps.Keys(said), compare) {
					if other[0] == e.Package && other[1] != "" {
						fmt.Fprint(out, whole(said[other]))
						delete(said, other)
					}
				}
			}
			fmt.Fprint(out, whole(said[key]))
			delete(said, key)
		case "pass", "skip":
			if e.Test == "" {
				fmt.Fprint(out, lastLine(whole(said[key])))
			}
			delete(said, key)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(out, "reading the tests' lines:", err)
		return 1
	}
	return status
}

func compare(a, b [2]string) int { return slices.Compare(a[:], b[:]) }

func whole(said *strings.Builder) string {
	if said == nil {
		return ""
	}
	return said.String()
}

// lastLine is the one in which go test sums up a package.
func lastLine(text string) string {
	text = strings.TrimSuffix(text, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:] + "\n"
}
