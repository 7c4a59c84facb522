package console

import (
	"bytes"
	"encoding/json"
	"slices"

	"trunkline/api/cdrs"
	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

var jobPage = page{
	path: "/jobs/:id", title: "Job", template: "job", unlisted: true, live: true, show: (*Service).job,
	actions: []action{
		{path: "/jobs/:id/cancel", do: (*Service).cancelJob},
		{path: "/jobs/:id/retry", do: (*Service).retryJob},
	},
}

// maxJSON bounds how much of a job's parameters and of its result a page shows, in bytes.
const maxJSON = 20_000

// jobView is one job.
type jobView struct {
	jobs.Job
	Asked, Left  string // the parameters and the result, laid out
	Remedy       string
	Ended        bool
	MayCancel    bool
	MayRetry     bool
	CancelEffect string // what cancelling it does
	Past         []jobs.Attempt
	Outcomes     map[tasks.AttemptOutcome]string
}

func (s *Service) job(r *web.Request) (any, error) {
	job, err := s.Jobs.Shown(r)
	if err != nil {
		return nil, err
	}
	v := jobView{Job: job, Asked: laidOut(job.Parameters), Ended: job.Done, Past: slices.Clone(job.History), Outcomes: outcomes}
	slices.Reverse(v.Past)
	if file, is := job.Result.(cdrs.ExportResult); is {
		// Its link is another at each look, so that the page would never rest. One is made on the export's own page.
		file.DownloadURL, file.DownloadExpires = "", ""
		job.Result = file
	}
	if job.Result != nil {
		v.Left = laidOut(job.Result)
	}
	if job.Error != nil {
		v.Remedy = jobRemedies[job.Error.Code]
	}
	v.MayCancel, v.MayRetry = mayChange(r, job)
	v.CancelEffect = "It has not begun, and nothing will be done."
	if job.Attempts > 0 {
		v.CancelEffect = "Its worker stops as soon as that is safe, and puts right what it has half done."
	}
	return v, nil
}

// outcomes are what became of attempts, in words.
var outcomes = map[tasks.AttemptOutcome]string{
	tasks.AttemptRuns: "it runs", tasks.AttemptSucceeded: "succeeded", tasks.AttemptPartial: "done in part", tasks.AttemptFailed: "failed", tasks.AttemptCancelled: "cancelled",
	tasks.AttemptLost: "its worker went away, and another takes the job up", tasks.AttemptHandedBack: "its worker was stopped, and another takes the job up",
	tasks.AttemptWaits: "the job waits, without a worker",
}

// mayChange reports what the caller is offered to do with the job. Whether it is theirs to do is judged when they do it.
func mayChange(r *web.Request, job jobs.Job) (cancel, retry bool) {
	if !r.Caller.May(job.Kind.Scope()) {
		return false, false
	}
	return !job.Done && !job.CancelRequested, job.State == tasks.StateFailed || job.State == tasks.StatePartial || job.State == tasks.StateCancelled
}

// laidOut is a value as JSON on lines of its own, cut off where it is long.
func laidOut(v any) string {
	line, err := web.Encode(v)
	if err != nil {
		return ""
	}
	var out bytes.Buffer
	if json.Indent(&out, line, "", "  ") != nil {
		return ""
	}
	if text := bytes.TrimSpace(out.Bytes()); len(text) > maxJSON {
		return string(bytes.ToValidUTF8(text[:maxJSON], nil)) + "\n…"
	}
	return string(bytes.TrimSpace(out.Bytes()))
}

func (s *Service) cancelJob(r *web.Request) (next string, err error) {
	job, err := s.Jobs.Cancel(r)
	return "/jobs/" + job.ID, err
}

func (s *Service) retryJob(r *web.Request) (next string, err error) {
	job, err := s.Jobs.Retry(r)
	return "/jobs/" + job.ID, err
}

// jobRemedies are what to do about a job that ended with such an error, beyond what its message says.
var jobRemedies = map[fault.Code]string{
	fault.InvalidGateway:      "Correct what the message names, and send the request again.",
	fault.ProfileUnavailable:  "Look whether the SIP profile runs on the switch (sofia status), then retry the job.",
	fault.GatewayNotLoaded:    "Look into the switch's log why it did not take the gateway, then retry the job.",
	fault.SwitchUnavailable:   "Look whether FreeSWITCH runs and takes this host's password at its event socket, then retry the job.",
	fault.SwitchTimeout:       "The switch did not answer in time. Look how busy it is, then retry the job.",
	fault.SwitchConfiguration: "Have the switch's configuration corrected as the message says, then retry the job.",
	fault.RegistrationFailed:  "Compare name, password and proxy with what the carrier gave, correct the gateway, and send the request again.",
	fault.DeliveryRefused:     "Correct the destination's credentials or rights, test it, then retry the job.",
	fault.Timeout:             "It took longer than it may. Ask for less at once, or retry the job when the PBX is less busy.",
	fault.Cancelled:           "Somebody cancelled it. Retry it if it is wanted after all.",
	fault.WorkerLost:          "Its workers went away while they ran it. Look at their log, then retry the job.",
	fault.PreconditionFailed:  "The gateway was changed between the page and the job. Look at it as it stands, and ask again if that is still wanted.",
	fault.Superseded:          "Nothing: a later request changed the same thing.",
	fault.InsufficientStorage: "Make room for export files, then retry the job.",
	fault.Unavailable:         "Look at the overview for what does not answer, then retry the job.",
	fault.ServerError:         "Look for the job's id in the worker's log, which says what lies behind it.",
}
