package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// exportPatience bounds one export.
const exportPatience = 5 * time.Minute

// exported is what one export took.
type exported struct {
	call  float64 // seconds from the call to the answer that its job has succeeded: the file has its name
	work  float64 // seconds from the job's start to its end, file, hash and manifest included
	cpu   float64 // seconds that the worker and Postgres used of the processors within the call
	rows  int64
	bytes int64 // of the file
}

// exporting is a front end with a worker of its own, which exports are asked of.
type exporting struct {
	*bench
	front, worker *process
}

// startExporting starts both, the front end with settings besides the usual ones.
func (b *bench) startExporting(ctx context.Context, settings ...string) (*exporting, error) {
	return b.startBoth(ctx, settings, nil)
}

// startBoth starts each with settings besides the usual ones.
func (b *bench) startBoth(ctx context.Context, ofFront, ofWorker []string) (*exporting, error) {
	front, err := b.start(ctx, "api", ofFront...)
	if err != nil {
		return nil, err
	}
	worker, err := b.start(ctx, "worker", ofWorker...)
	if err != nil {
		return nil, errors.Join(err, front.stop())
	}
	return &exporting{b, front, worker}, nil
}

func (e *exporting) stop() error { return errors.Join(e.worker.stop(), e.front.stop()) }

// export makes one export and takes its file away again.
func (e *exporting) export(ctx context.Context, form url.Values) (made exported, err error) {
	return e.exportAndRemove(ctx, form, e.removeExport)
}

// exportAndRemove makes one export, of which remove takes the file away again.
func (e *exporting) exportAndRemove(ctx context.Context, form url.Values, remove func(id string) error) (made exported, err error) {
	before, err := e.cpu()
	if err != nil {
		return made, err
	}
	if made, err = e.exportBy(ctx, e.front, form, remove); err != nil {
		return made, err
	}
	after, err := e.cpu()
	made.cpu = after - before
	return made, err
}

// cpu is what the worker and Postgres have used so far, in seconds.
func (e *exporting) cpu() (float64, error) {
	worker, err1 := cpuSeconds(e.worker.cmd.Process.Pid)
	postgres, err2 := e.postgresCPU()
	return worker + postgres, errors.Join(err1, err2)
}

// exportBy is the same by any process that answers, without what it used of the processors.
func (b *bench) exportBy(ctx context.Context, front *process, form url.Values, remove func(id string) error) (made exported, err error) {
	ctx, cancel := context.WithTimeout(ctx, exportPatience)
	defer cancel()
	began := time.Now()
	id, err := b.askForExport(ctx, front, form)
	if err != nil {
		return made, err
	}
	var job struct {
		State      string          `json:"state"`
		Done       bool            `json:"done"`
		Error      json.RawMessage `json:"error"`
		StartedAt  time.Time       `json:"started_at"`
		FinishedAt time.Time       `json:"finished_at"`
		Result     struct {
			Rows  int64 `json:"total_records"`
			Bytes int64 `json:"bytes"`
		} `json:"result"`
	}
	for !job.Done {
		if err := b.ask(ctx, front, http.MethodGet, "/v1/jobs/"+id+"?wait=20", "", nil, &job); err != nil {
			return made, err
		}
	}
	made = exported{
		call: time.Since(began).Seconds(), work: job.FinishedAt.Sub(job.StartedAt).Seconds(),
		rows: job.Result.Rows, bytes: job.Result.Bytes,
	}
	if job.State != "succeeded" {
		return made, fmt.Errorf("the export ended as %s: %s", job.State, job.Error)
	}
	return made, remove(id)
}

// askForExport asks for an export as a job that is not waited for, and returns the job.
func (b *bench) askForExport(ctx context.Context, front *process, form url.Values) (id string, err error) {
	form.Set("wait", "0")
	var job struct {
		JobID   string `json:"job_id"`
		Message string `json:"message"`
	}
	status, err := b.post(ctx, front, "/app/xml_cdr/export_cdr.php", form, &job)
	if err == nil && status != http.StatusAccepted {
		err = fmt.Errorf("the export answered %d: %s", status, job.Message)
	}
	return job.JobID, err
}

// removeExport removes the file of a job's export and what stands beside it: those of a whole run would fill a disk.
func (b *bench) removeExport(id string) error {
	files, err := filepath.Glob(filepath.Join(b.Dir, "exports", id+".*"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("the export %s left no file", id)
	}
	for _, file := range files {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// wholeSample are the first and the last day of a span that holds all of the sample's CDRs.
func wholeSample() (first, last string) {
	now := time.Now().UTC()
	return now.AddDate(-1, 0, 0).Format(time.DateOnly), now.AddDate(0, 0, 1).Format(time.DateOnly)
}

// exportOf is a form that asks for all of the sample's CDRs in that format; more are names and values of further parameters.
func exportOf(format string, more ...string) url.Values {
	first, last := wholeSample()
	form := url.Values{"date_start": {first}, "date_end": {last}, "time_zone": {"UTC"}, "format": {format}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}
