package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/cdr"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/delivery/webhook"
	"trunkline/internal/fault"
	"trunkline/internal/link"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// order makes the deliveries of an export's file, in the transaction that ends the export.
func (w *Worker) order(ctx context.Context, tx pgx.Tx, export tasks.Job, orders []delivery.Order) error {
	all := make([]outbox.New, len(orders))
	for i, o := range orders {
		all[i] = outbox.New{
			DomainUUID: export.DomainUUID, CreatedBy: export.CreatedBy, CreatedByName: export.CreatedByName,
			DestinationID: o.DestinationID, ExportJobID: export.ID, Event: outbox.EventFile, Name: o.Name,
		}
	}
	_, err := w.outbox.Add(ctx, tx, all)
	return err
}

// deliver tries to deliver once. If that may help it is tried again, and in between the job is parked: it holds no worker.
func (w *Worker) deliver(ctx context.Context, r *run) (any, error) {
	try, err := w.outbox.Begin(ctx, r.Attempt)
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("try %d", try.Number)
	r.report(tasks.Progress{Note: note})
	ctx, pace := w.watchPace(ctx, r.Job)
	defer pace.stop()
	receipt, err := w.deliverTo(ctx, try.Delivery, pace.moved, func(content delivery.Content) delivery.Content {
		return followed(content, func(read int64) {
			r.report(tasks.Progress{Done: read, Total: content.Bytes, Unit: "bytes", Note: note})
		})
	})
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) && err != nil {
		err = &fault.Error{Code: fault.Timeout, Passes: true, Cause: err, Message: fmt.Sprintf(
			"it was not delivered within %s, which TRUNKLINE_DELIVER_TIMEOUT allows one attempt", w.o.Settings.DeliverTimeout)}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err == nil {
		p := tasks.Progress{Total: max(r.progress.Load().Total, 1), Unit: r.progress.Load().Unit}
		p.Done = p.Total
		err := w.endTry(ending, try, receipt.Status, nil, func(tx pgx.Tx) error { return r.SucceedIn(ending, tx, receipt, p) })
		r.committed = err == nil
		return receipt, err
	}
	unwanted := webhook.IsGone(err) && try.DestinationID != ""
	if unwanted {
		err = &fault.Error{Code: fault.DeliveryRefused, Cause: err, Message: err.Error() + "; the destination was disabled: enable it once the receiver wants some again"}
	}
	again, failed := w.tryAgain(ctx, r, err)
	recorded := w.endTry(ending, try, outbox.StatusOf(err), told(ctx, err), func(tx pgx.Tx) error {
		if again.IsZero() {
			if err := r.Fence(ending, tx); err != nil || !unwanted {
				return err
			}
			return w.destinations.Disable(ending, tx, try.DestinationID)
		}
		return r.SleepIn(ending, tx, again, fmt.Sprintf("tried %d times, and again at %s: %s", try.Number, again.UTC().Format(time.RFC3339), failed.Error()))
	})
	if recorded != nil {
		return nil, recorded
	}
	r.parked = !again.IsZero()
	return nil, failed
}

// endTry records how a try ended together with what becomes of its job.
func (w *Worker) endTry(ctx context.Context, try outbox.Try, status int, failed error, job func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, w.o.PBX.Pool, func(tx pgx.Tx) error {
		if err := job(tx); err != nil {
			return err
		}
		return try.End(ctx, tx, status, failed)
	})
}

// told is what a try's record says of its error.
func told(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errShutdown):
		return fault.Errorf(fault.ServerError, "the worker shut down in the middle; another one tries again")
	case errors.Is(cause, errCancelRequested):
		return fault.Errorf(fault.Cancelled, "cancelled while it was under way")
	}
	return err
}

// tryAgain is when a delivery that has failed is tried again, and zero if it is not, with the error that is told.
func (w *Worker) tryAgain(ctx context.Context, r *run, err error) (time.Time, error) {
	failure, worded := errors.AsType[*fault.Error](err)
	cause := context.Cause(ctx)
	over := errors.Is(cause, errShutdown) || errors.Is(cause, errCancelRequested) || errors.Is(cause, tasks.ErrFenced)
	if over || !worded || !failure.Passes {
		return time.Time{}, err
	}
	tried, s := time.Since(*r.Job.StartedAt), w.o.Settings
	pause := max(jittered(min(max(tried, s.DeliverRetryFirst), s.DeliverRetryMost)), failure.RetryAfter)
	if tried+pause < s.DeliverRetryFor {
		return time.Now().Add(pause), err
	}
	return time.Time{}, &fault.Error{Code: failure.Code, Cause: err, Message: fmt.Sprintf(
		"it was tried for %s, as long as TRUNKLINE_DELIVER_RETRY_FOR allows, and is given up; at last: %s", s.DeliverRetryFor, failure.Message)}
}

// jittered is anything from a half to one and a half times so long: what failed together is not tried again together.
func jittered(pause time.Duration) time.Duration { return pause/2 + rand.N(pause) }

// deliverTo delivers, what is a file as follow has it. moved is told of what goes over connections to where files are brought. Its errors are those of a delivery.Sender, or such that another worker
// has to go on.
func (w *Worker) deliverTo(ctx context.Context, d outbox.Delivery, moved func(bytes int), follow func(delivery.Content) delivery.Content) (receipt delivery.Receipt, err error) {
	if d.DestinationID == "" {
		return w.callBack(ctx, d)
	}
	destination, err := w.destinations.Use(ctx, d.DestinationID, d.DomainUUID)
	if err != nil {
		return receipt, err
	}
	sender, err := w.destinations.Open(ctx, destination, moved)
	if err != nil {
		return receipt, err
	}
	if d.Payload != nil {
		receipt, err = tell(ctx, sender, d)
	} else if content, unread := w.fileOf(ctx, d, destination); unread != nil {
		err = unread
	} else {
		receipt, err = sender.Deliver(ctx, follow(content))
	}
	if closing := sender.Close(); closing != nil && err == nil {
		w.o.Log.Debug("destination not closed well", "destination", destination.ID, "error", closing)
	}
	return receipt, err
}

// callBack tells the URL that was given with what the message is about.
func (w *Worker) callBack(ctx context.Context, d outbox.Delivery) (receipt delivery.Receipt, err error) {
	url, err := w.outbox.URL(ctx, d)
	if err != nil {
		return receipt, err
	}
	receiver, err := w.destinations.OpenCallback(ctx, d.DomainUUID, url)
	if err != nil {
		return receipt, err
	}
	receipt, err = tell(ctx, receiver, d)
	if closing := receiver.Close(); closing != nil && err == nil {
		w.o.Log.Debug("receiver not closed well", "delivery", d.ID, "error", closing)
	}
	return receipt, err
}

// followed is content that says how many bytes of it were read, each time that it is.
func followed(content delivery.Content, read func(bytes int64)) delivery.Content {
	open := content.Open
	content.Open = func(ctx context.Context) (io.ReadSeekCloser, error) {
		file, err := open(ctx)
		if err != nil {
			return nil, err
		}
		return &followedFile{ReadSeekCloser: file, read: read}, nil
	}
	return content
}

type followedFile struct {
	io.ReadSeekCloser
	read func(bytes int64)
	at   int64
}

// Read implements io.Reader.
func (f *followedFile) Read(into []byte) (int, error) {
	n, err := f.ReadSeekCloser.Read(into)
	f.at += int64(n)
	f.read(f.at)
	return n, err
}

// Seek implements io.Seeker.
func (f *followedFile) Seek(offset int64, whence int) (at int64, err error) {
	at, err = f.ReadSeekCloser.Seek(offset, whence)
	f.at = at
	return at, err
}

// tell delivers what is no file.
func tell(ctx context.Context, to delivery.Sender, d outbox.Delivery) (delivery.Receipt, error) {
	teller, can := to.(delivery.Teller)
	if !can {
		return delivery.Receipt{}, fault.Errorf(fault.DeliveryRefused, "the destination %s takes files and no messages; choose a webhook", d.DestinationName)
	}
	return teller.Tell(ctx, delivery.Message{ID: d.ID, Body: d.Payload})
}

// fileOf is the file that is delivered, the same however often.
func (w *Worker) fileOf(ctx context.Context, d outbox.Delivery, to destinations.Destination) (delivery.Content, error) {
	job, err := w.o.Tasks.Get(ctx, d.ExportJobID, tenant.All)
	if errors.Is(err, tasks.ErrNotFound) {
		return delivery.Content{}, &fault.Error{Code: fault.Gone, JobID: d.ExportJobID, Message: "the export and its file were deleted when their time was up; export again"}
	}
	if err != nil {
		return delivery.Content{}, err
	}
	var asked outbox.ExportParams
	var result cdr.Result
	if err := errors.Join(json.Unmarshal(job.Params, &asked), json.Unmarshal(job.Result, &result)); err != nil || job.State != tasks.StateSucceeded {
		return delivery.Content{}, fault.Errorf(fault.ServerError, "job %s has no file", d.ExportJobID)
	}
	given := link.Link{JobID: job.ID, DomainUUID: job.DomainUUID, By: to.ID, Until: link.Until(w.o.Settings.DownloadTTL, result.ExpiresAt)}
	return delivery.Content{
		Name: d.Name, Bytes: result.Bytes, SHA256: result.SHA256,
		Open: func(ctx context.Context) (io.ReadSeekCloser, error) { return w.o.Exporter.Open(ctx, job.ID, result) },
		Of: delivery.Export{
			DeliveryID: d.ID, ReadyAt: d.CreatedAt, JobID: job.ID, Domain: asked.DomainName, Format: string(result.Format), DateRange: result.DateRange, TimeZone: result.TimeZone,
			Rows: result.TotalRecords, Link: given.URL(w.o.Tasks.Keys(), w.o.Settings.PublicURL), LinkUntil: given.Until,
		},
	}, nil
}
