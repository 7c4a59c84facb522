package remote

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/client"
	"trunkline/internal/commandline"
	"trunkline/internal/pbxtest"
)

func running(done, failed int64, note string) client.Job {
	return client.Job{JobID: "j", State: "running", Progress: client.Progress{Done: done, Failed: failed, Total: 500, Unit: "gateways", Note: note}}
}

// Without a terminal a line is written when something else is said, and now and then.
func TestProgressInLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(0, 0)
	l := &lines{to: &out, now: func() time.Time { return now }}
	l.show(client.Job{State: "queued"})
	l.show(client.Job{State: "queued"})
	l.show(running(0, 0, ""))
	for done := range int64(100) {
		l.show(running(done, 0, ""))
	}
	now = now.Add(lineInterval)
	l.show(running(100, 0, ""))
	l.show(running(101, 2, "waits for\x1b[2J the switch"))
	l.end()
	const want = "queued\nrunning, 0 of 500 gateways\nrunning, 100 of 500 gateways\n" + `running, 2 failed: waits for\u001b[2J the switch, 101 of 500 gateways` + "\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

// On a terminal a bar is drawn, over itself, and is gone at the end.
func TestProgressAsABar(t *testing.T) {
	t.Parallel()
	var out pbxtest.LogBuffer
	p := &Program{err: &out, live: true}
	b := p.progress()
	b.show(client.Job{State: "queued"})
	b.show(running(0, 0, ""))
	b.show(running(250, 3, "hostile\x1b[2J"))
	pbxtest.Eventually(t, "the bar is drawn", func() bool {
		b.show(running(250, 3, "hostile\x1b[2J"))
		return strings.Contains(out.String(), "250/500")
	})
	b.end()
	if got := out.String(); !strings.Contains(got, "3 failed") || !strings.Contains(got, "50%") || strings.Contains(got, "hostile\x1b") || strings.Contains(got, "\n") {
		t.Errorf("got %q", got)
	}
}

// A bar whose total is not known yet turns by itself, and no more once another has its place, or a question stands there.
func TestBarsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out pbxtest.LogBuffer
		b := (&Program{err: &out, live: true}).progress()
		b.show(client.Job{State: "queued"})
		time.Sleep(time.Second)
		b.show(running(0, 0, ""))
		before := len(out.String())
		time.Sleep(time.Second)
		if more := out.String()[before:]; strings.Contains(more, "queued") {
			t.Errorf("the first one is still drawn: %q", more)
		}
		b.show(client.Job{State: "waiting"})
		b.end()
		before = len(out.String())
		time.Sleep(time.Second)
		if more := out.String()[before:]; more != "" {
			t.Errorf("it is drawn after its end: %q", more)
		}
	})
}

func TestHowJobsEnd(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]int{client.Succeeded: 0, client.Partial: statusPartial, client.Cancelled: statusCancelled, client.Failed: 1, "new": 1} {
		err := endOf(client.Job{JobID: "j", State: state, Done: true, Counts: map[string]int{"total": 9, client.Failed: 2}, Error: &client.JobError{Code: "x\x1b", Message: "y"}})
		got := 0
		if err != nil {
			got = 1
			if strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%s: %q", state, err)
			}
		}
		if ended, ok := err.(*commandline.Ended); ok {
			got = ended.Status
		}
		if got != want {
			t.Errorf("%s: got %d, want %d", state, got, want)
		}
	}
}
