package fssim

import (
	"bufio"
	"strings"
	"testing"
)

func TestReadRequest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, bytes string
		want        []request
	}{
		{"a command", "api status\n\n", []request{{line: "api status"}}},
		{"a trailing space stays", "api echo \n\n", []request{{line: "api echo "}}},
		{"CR before LF", "api status\r\n\r\n", []request{{line: "api status"}}},
		{"empty lines before", "\n\napi status\n\n", []request{{line: "api status"}}},
		{"one LF begins a header", "api echo one\napi echo two\nX: y\n\n", []request{{line: "api echo one", headers: []header{{"X", "y"}}}}},
		{"two LF begin a command", "api echo one\n\napi echo two\n\n", []request{{line: "api echo one"}, {line: "api echo two"}}},
		{"a body", "sendevent CUSTOM\nContent-Length: 3\n\na\n\napi x\n\n",
			[]request{{line: "sendevent CUSTOM", headers: []header{{"Content-Length", "3"}}, body: "a\n\n"}, {line: "api x"}}},
		{"an unfinished command", "api stat", nil},
		{"a body that is too long", "sendevent CUSTOM\nContent-Length: 99999999\n\na", nil},
		{"a length that is none", "api x\nContent-Length: -3\n\n", []request{{line: "api x", headers: []header{{"Content-Length", "-3"}}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := bufio.NewReader(strings.NewReader(tc.bytes))
			for i, want := range tc.want {
				got, err := readRequest(r)
				if err != nil {
					t.Fatalf("command %d: %v", i, err)
				}
				if got.line != want.line || got.body != want.body || len(got.headers) != len(want.headers) {
					t.Fatalf("command %d is %+v, want %+v", i, got, want)
				}
				for n := range want.headers {
					if got.headers[n] != want.headers[n] {
						t.Errorf("header %d is %v, want %v", n, got.headers[n], want.headers[n])
					}
				}
			}
			if extra, err := readRequest(r); err == nil {
				t.Errorf("another command: %+v", extra)
			}
		})
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add("auth ClueCon\n\napi status\r\n\r\nsendevent CUSTOM\nContent-Length: 3\n\nabc")
	f.Add("\n\n\nContent-Length: 9\n\n")
	f.Fuzz(func(t *testing.T, bytes string) {
		r := bufio.NewReader(strings.NewReader(bytes))
		total := 0
		for {
			req, err := readRequest(r)
			if err != nil {
				break
			}
			if req.line == "" {
				t.Fatalf("%q gave a command without a line", bytes)
			}
			total += len(req.line) + len(req.body)
		}
		if total > len(bytes) {
			t.Errorf("%q gave %d bytes of commands", bytes, total)
		}
	})
}
