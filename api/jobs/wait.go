package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

// patience is how long the caller waits for the job: the parameter wait, else Prefer: wait=N (RFC
// 7240), else unasked; in whole seconds, at most WaitMax.
func (s *Service) patience(r *web.Request, unasked time.Duration) (time.Duration, error) {
	longest := s.settings.WaitMax
	if text := r.Params.Get("wait"); text != "" {
		wait, ok := seconds(text, longest)
		if !ok {
			return 0, fault.Invalid("wait", "is not a whole number of seconds; write one from 0 to %d", int(longest.Seconds()))
		}
		return wait, nil
	}
	for _, line := range r.HTTP().Header.Values("Prefer") {
		for preference := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(preference, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			// A preference that cannot be read is as if it were not there: the RFC wants no error.
			value, _, _ = strings.Cut(value, ";")
			if wait, ok := seconds(strings.TrimSpace(value), longest); ok {
				r.SetHeader("Preference-Applied", fmt.Sprintf("wait=%d", int(wait.Seconds())))
				return wait, nil
			}
		}
	}
	return min(unasked, longest), nil
}

// seconds reads a whole number of seconds, and takes more than the longest for the longest.
func seconds(text string, longest time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) || err == nil && n > uint64(longest/time.Second) {
		return longest, true
	}
	return time.Duration(n) * time.Second, err == nil
}

// await returns the job once it has ended, or as it stands when the caller's patience or the server
// ends.
func (s *Service) await(r *web.Request, job tasks.Job, patience time.Duration) (tasks.Job, error) {
	if job.State.Done() || patience <= 0 {
		return job, nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stop := context.AfterFunc(s.front.Stopping(), cancel)
	defer stop()
	waited, err := s.tasks.Wait(ctx, job.ID, patience)
	if err != nil && ctx.Err() != nil {
		return job, nil
	}
	return waited, err
}
