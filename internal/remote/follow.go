package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"trunkline/internal/client"
	"trunkline/internal/commandline"
)

// lastWord is how long an interrupted command takes to ask how its job stands.
const lastWord = 3 * time.Second

// follow returns the job once it has ended, and shows how it comes on. Whoever is interrupted hears what stands, and
// how to go on.
func (s *session) follow(job client.Job) (client.Job, error) {
	if job.Done {
		return job, nil
	}
	shown := s.progress()
	ended, err := s.api.Follow(s.ctx, job.JobID, shown.show)
	shown.end()
	if err == nil {
		return ended, nil
	}
	if s.ctx.Err() == nil {
		return ended, fmt.Errorf("%w; job %s goes on: trunkline jobs watch %[2]s follows it", s.worded(err), visible(job.JobID))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), lastWord)
	defer cancel()
	if now, err := s.api.Job(ctx, job.JobID); err == nil {
		ended = now
	}
	return ended, &commandline.Ended{Status: statusInterrupted, Err: errors.New(interrupted(job.JobID, ended))}
}

// interrupted says what becomes of a job that nobody follows any more. last is the job as it was last seen, if it was.
func interrupted(id string, last client.Job) string {
	id = visible(id)
	if last.Done {
		return fmt.Sprintf("interrupted; job %s has ended meanwhile: it is %s (trunkline jobs show %[1]s)", id, visible(last.State))
	}
	text := fmt.Sprintf("interrupted; job %s goes on without you", id)
	if last.State != "" {
		text += ": it is " + visible(last.State)
		if far := howFar(last.Progress); far != "" {
			text += ", " + far + " done"
		}
	}
	return text + fmt.Sprintf(". trunkline jobs watch %s follows it, trunkline jobs cancel %[1]s stops it", id)
}

// endOf is how a job ended as a command ends: nil if it succeeded.
func endOf(job client.Job) error {
	about := fmt.Sprintf("job %s: ", visible(job.JobID))
	why := visible(job.State)
	if job.Error != nil {
		why += ": " + visible(job.Error.Message)
		if job.Error.Code != "" {
			why += " (" + visible(job.Error.Code) + ")"
		}
	}
	switch job.State {
	case client.Succeeded:
		return nil
	case client.Partial:
		failed := job.Counts[client.Failed]
		return &commandline.Ended{Status: statusPartial, Err: fmt.Errorf("%sdone in part: %d of %d failed", about, failed, cmp.Or(job.Counts["total"], failed))}
	case client.Cancelled:
		return &commandline.Ended{Status: statusCancelled, Err: errors.New(about + why)}
	case client.Failed:
		return errors.New(about + why)
	}
	return fmt.Errorf("%sit ended in a state that this version does not know: %s", about, why)
}
