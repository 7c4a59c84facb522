package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestLinesAsPackagesEnd(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in, want string
		status   int
	}{
		"a good package": {`{"Action":"start","Package":"a"}
{"Action":"output","Package":"a","Test":"TestA","Output":"=== RUN TestA\n"}
{"Action":"pass","Package":"a","Test":"TestA"}
{"Action":"output","Package":"a","Output":"PASS\n"}
{"Action":"output","Package":"a","Output":"ok  \ta\t1.2s\n"}
{"Action":"pass","Package":"a"}`, "ok  \ta\t1.2s\n", 0},
		"a failure between two": {`{"Action":"output","Package":"a","Test":"TestA","Output":"    a_test.go:1: wrong\n"}
{"Action":"output","Package":"b","Output":"ok  \tb\t1s\n"}
{"Action":"pass","Package":"b"}
{"Action":"fail","Package":"a","Test":"TestA"}
{"Action":"output","Package":"a","Output":"FAIL\ta\t2s\n"}
{"Action":"fail","Package":"a"}`, "ok  \tb\t1s\n    a_test.go:1: wrong\nFAIL\ta\t2s\n", 1},
		"a package that ends before its tests": {`{"Action":"output","Package":"a","Test":"TestA","Output":"=== CONT TestA\n"}
{"Action":"output","Package":"b","Test":"TestB","Output":"=== CONT TestB\n"}
{"Action":"output","Package":"a","Output":"FAIL\ta\t2s\n"}
{"Action":"fail","Package":"a"}`, "=== CONT TestA\nFAIL\ta\t2s\n", 1},
		"what does not compile": {`{"ImportPath":"a","Action":"build-output","Output":"a.go:1: no\n"}
{"ImportPath":"a","Action":"build-fail"}`, "a.go:1: no\n", 1},
		"a tool's own words": {"go: downloading x\n", "go: downloading x\n", 0},
	} {
		var out bytes.Buffer
		if status := run(strings.NewReader(tc.in), &out); status != tc.status || out.String() != tc.want {
			t.Errorf("%s: got %d and %q, want %d and %q", name, status, out.String(), tc.status, tc.want)
		}
	}
}

func FuzzRun(f *testing.F) {
	f.Add(`{"Action":"pass","Package":"a"}`)
	f.Fuzz(func(_ *testing.T, text string) { run(strings.NewReader(text), &bytes.Buffer{}) })
}
