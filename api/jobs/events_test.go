package jobs

import (
	"net/http/httptest"
	"testing"
	"time"

	"trunkline/api/web"
	"trunkline/tasks"
)

// A stream in which nothing happens is kept open by comments, no oftener than it has to be.
func TestEventStreamIsKeptAlive(t *testing.T) {
	t.Parallel()
	recorder := httptest.NewRecorder()
	stream, err := newEventStream(recorder, func(job tasks.Job) (Job, error) { return new(Service).view(nil, job) })
	if err != nil {
		t.Fatal(err)
	}
	job := tasks.Job{Kind: tasks.KindProvision, State: tasks.StateRunning}
	stream.shown = &job
	show := func() string {
		t.Helper()
		recorder.Body.Reset()
		if err := stream.show(job); err != nil {
			t.Fatal(err)
		}
		return recorder.Body.String()
	}
	if got := show(); got != "" {
		t.Errorf("at once: %q", got)
	}
	stream.Wrote = time.Now().Add(-web.KeepAlive)
	if got := show(); got != ": still here\n\n" {
		t.Errorf("after a while: %q", got)
	}
}
