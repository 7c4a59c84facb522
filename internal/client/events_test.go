package client

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadEvents(t *testing.T) {
	t.Parallel()
	const stream = "retry: 2000\n\n: a comment\n\nevent: state\nid: 7\ndata: one\ndata:two\n\nevent: none\n\ndata\nunknown: x\n\nretry: soon\nid: 8\ndata: cut off"
	var events []event
	alive := 0
	retry, err := readEvents(strings.NewReader(stream), func() { alive++ }, func(e event) error {
		events = append(events, e)
		return nil
	})
	want := []event{{"state", "7", "one\ntwo"}, {"", "7", ""}}
	if err != nil || retry != 2*time.Second || !slices.Equal(events, want) || alive < 12 {
		t.Errorf("got %+v, %v, %v, %d lines", events, retry, err, alive)
	}
	stop := errors.New("stop")
	if _, err := readEvents(strings.NewReader(stream), func() {}, func(event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	for name, long := range map[string]string{
		"a line":   "data: " + strings.Repeat("x", maxEvent),
		"an event": strings.Repeat("data: "+strings.Repeat("x", maxEvent/4)+"\n", 5),
	} {
		if _, err := readEvents(strings.NewReader(long), func() {}, func(event) error { return nil }); err == nil {
			t.Errorf("%s without end is read", name)
		}
	}
}

func FuzzReadEvents(f *testing.F) {
	f.Add("retry: 2000\n\nevent: state\nid: 7\ndata: {}\n\n: x\n")
	f.Add("data:\r\ndata\n\nretry: 99999999999999\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		retry, _ := readEvents(strings.NewReader(stream), func() {}, func(e event) error {
			if len(e.data) > len(stream) || strings.ContainsAny(e.name+e.id, "\n") {
				t.Errorf("got %+v", e)
			}
			return nil
		})
		if retry < 0 || retry > maxRetry {
			t.Errorf("wait %v", retry)
		}
	})
}
