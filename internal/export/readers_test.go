package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
)

// run runs a program that is in that package of Debian's, and returns what it writes.
func run(t testing.TB, debianPackage string, input []byte, program string, args ...string) []byte {
	t.Helper()
	cmd := osexec.CommandContext(t.Context(), pbxtest.Tool(t, program, debianPackage), args...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", program, args, err, said.Bytes())
	}
	return out
}

// unpackByProgram unpacks a file with the program that people have for it.
func unpackByProgram(t testing.TB, c Compression, packed []byte) []byte {
	t.Helper()
	if c == None {
		return packed
	}
	return run(t, string(c), packed, string(c), "-dc")
}

// pythonFile is a file for Python to read; see testdata/read.py.
type pythonFile struct {
	Path      string `json:"path"`
	Kind      string `json:"kind"`
	Delimiter string `json:"delimiter,omitempty"`
	Encoding  string `json:"encoding,omitempty"`
}

// forPython puts a file where Python reads it.
func forPython(t testing.TB, dir string, content []byte, o Options, encoding string) pythonFile {
	t.Helper()
	file, err := os.CreateTemp(dir, "")
	if err == nil {
		_, err = file.Write(content)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return pythonFile{Path: file.Name(), Kind: strings.ToLower(string(o.Format)), Delimiter: o.Layout.delimiter(), Encoding: encoding}
}

// readByPython are the rows of each file.
func readByPython(t testing.TB, files []pythonFile) []json.RawMessage {
	t.Helper()
	input, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/read.py")
	if err != nil {
		t.Fatal(err)
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(run(t, "python3", input, "python3", script), &rows); err != nil || len(rows) != len(files) {
		t.Fatalf("Python read %d of %d files: %v", len(rows), len(files), err)
	}
	return rows
}

// readCSV reads a CSV file with encoding/csv, which makes LF of CR LF.
func readCSV(t testing.TB, file []byte, layout Layout) [][]string {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(file))
	r.Comma = rune(layout.delimiter()[0])
	records, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// named is a value as JSON and XML have it: its key, its type ("null" if it is NULL) or of XML the attribute null, and its
// text.
type named [3]string

// readByJQ reads JSON, or NDJSON, whose numbers it leaves out since it has them as doubles.
func readByJQ(t testing.TB, file []byte, format Format) [][]named {
	t.Helper()
	args := []string{"-c", `map(to_entries | map([.key, (.value | type), (.value | if type == "number" or . == null then "" else tostring end)]))`}
	if format == NDJSON {
		args = append(args, "--slurp")
	}
	var rows [][]named
	if err := json.Unmarshal(run(t, "jq", file, "jq", args...), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// readXML reads XML with encoding/xml, and has xmllint look at it too.
func readXML(t testing.TB, file []byte) (rows [][]named) {
	t.Helper()
	run(t, "libxml2-utils", file, "xmllint", "--noout", "--nonet", "-")
	var parsed xmlFile
	if err := xml.Unmarshal(file, &parsed); err != nil {
		t.Fatal(err)
	}
	for _, row := range parsed.Rows {
		var values []named
		for _, c := range row.Cells {
			values = append(values, named{c.XMLName.Local, c.Null, c.Text})
		}
		rows = append(rows, values)
	}
	return rows
}

// sameRows compares rows, and says where they differ first.
func sameRows[T any](t testing.TB, what string, got, want [][]T) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(got), len(want))
	}
	for i := range want {
		if len(got[i]) != len(want[i]) {
			t.Fatalf("%s, row %d: %d values, want %d: %#v", what, i, len(got[i]), len(want[i]), got[i])
		}
		for j := range want[i] {
			if got, want := fmt.Sprintf("%T %#v", got[i][j], got[i][j]), fmt.Sprintf("%T %#v", want[i][j], want[i][j]); got != want {
				t.Fatalf("%s, row %d, column %d: got %s, want %s", what, i, j, got, want)
			}
		}
	}
}
