package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/schedule/late"
	"trunkline/internal/schedule/store"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// Exporter has schedules export: it makes the windows that are due, and the export jobs of those whose turn it is. Any number
// of processes may have one, and any of them may stop at any moment: each window is exported once.
type Exporter struct {
	Schedules *store.Store
	Late      *late.Store
	Tasks     *tasks.Client
	DB        *fusionpbx.DB
	Interval  time.Duration
	// AtOnce is how many windows of one schedule are exported at once.
	AtOnce int
	// Failed, if not nil, is told of windows that have failed, each once, in the transaction that says so.
	Failed func(context.Context, pgx.Tx, []store.Starting) error
	Log    *slog.Logger
}

// Run looks for what is due until ctx is done. What fails is logged, once until it goes well, and done at the next look.
func (e *Exporter) Run(ctx context.Context) error {
	tick := time.Tick(e.Interval)
	failing, pruned := false, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		err := e.Look(ctx)
		if time.Since(pruned) >= pruneInterval {
			pruned = time.Now()
			err = errors.Join(err, e.prune(ctx))
		}
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			e.Log.Warn("schedules are not looked after; the next look does it", "error", err)
		case err == nil && failing:
			e.Log.Info("schedules are looked after again")
		}
		failing = err != nil
	}
}

// prune forgets what is past its time.
func (e *Exporter) prune(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	_, lateErr := e.Late.Prune(ctx)
	windows, err := e.Schedules.Prune(ctx)
	if windows > 0 {
		e.Log.Info("windows of schedules are past their time", "deleted", windows)
	}
	return errors.Join(lateErr, err)
}

// Look does what is due now.
func (e *Exporter) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	if _, err := e.Schedules.Settle(ctx, e.Failed); err != nil {
		return err
	}
	for more := true; more; {
		var made int
		var err error
		if made, more, err = e.Schedules.MakeDue(ctx); err != nil {
			return err
		}
		if made > 0 {
			e.Log.Info("windows of schedules are due", "windows", made)
		}
	}
	names := domainNames{db: e.DB, clock24: map[string]bool{}}
	begin := func(ctx context.Context, tx pgx.Tx, windows []store.Starting) (store.Begun, error) {
		return e.begin(ctx, tx, windows, &names)
	}
	for more := true; more; {
		var started int
		var err error
		if started, more, err = e.Schedules.Start(ctx, e.AtOnce, begin, e.Failed); err != nil {
			return err
		}
		if started > 0 {
			e.Tasks.Admit(ctx)
		}
	}
	return nil
}

// jobsAtOnce is how many export jobs one transaction makes, unless the first window alone has more files.
const jobsAtOnce = 1000

// begin makes the export jobs of windows, of as many as jobsAtOnce allows. One that none can be made of fails by itself, and
// holds up no other.
func (e *Exporter) begin(ctx context.Context, tx pgx.Tx, windows []store.Starting, names *domainNames) (store.Begun, error) {
	var jobs []tasks.NewJob
	begun := store.Begun{Failed: map[string]error{}}
	for _, w := range windows {
		domains, err := names.of(ctx, w.Of)
		if err != nil {
			return begun, err
		}
		if begun.Taken > 0 && len(jobs)+len(domains) > jobsAtOnce {
			break
		}
		begun.Taken++
		if err := names.readClocks(ctx, domains); err != nil {
			return begun, err
		}
		var asked []tasks.NewJob
		var files []store.File
		for _, domain := range domains {
			job, file, err := exportOf(w, domain, names.clock24[domain.UUID])
			if err != nil {
				begun.Failed[w.ID] = err
				break
			}
			asked, files = append(asked, job), append(files, file)
		}
		if begun.Failed[w.ID] == nil {
			jobs, begun.Files = append(jobs, asked...), append(begun.Files, files...)
		}
	}
	made, err := e.Tasks.CreateIn(ctx, tx, jobs...)
	if err != nil {
		return begun, err
	}
	for i, job := range made {
		begun.Files[i].JobID = job.ID
	}
	return begun, nil
}

// exportOf is the job that exports a window's file of a domain.
func exportOf(w store.Starting, domain fusionpbx.Domain, clock24 bool) (job tasks.NewJob, file store.File, err error) {
	request, err := w.Request(domain, clock24)
	if err != nil {
		return job, file, err
	}
	name, err := w.FileName(request)
	if err != nil {
		return job, file, fault.Invalid("file_name", "of %s: %w", domain.Name, err)
	}
	params := outbox.ExportParams{Request: request, WindowID: w.ID}
	for _, id := range w.Of.Destinations {
		params.Deliver = append(params.Deliver, delivery.Order{DestinationID: id, Name: name})
	}
	subject := "window " + w.ID + " " + domain.UUID
	job = tasks.NewJob{
		Kind: tasks.KindExport, DomainUUID: domain.UUID, CreatedBy: w.Of.ID, CreatedByName: "schedule " + w.Of.Name,
		Subject: subject, BodyHash: []byte(subject), Params: params,
	}
	return job, store.File{WindowID: w.ID, DomainUUID: domain.UUID, DomainName: domain.Name, Name: name}, nil
}

// domainNames are the domains that files are of, each read once a look.
type domainNames struct {
	db      *fusionpbx.DB
	each    []fusionpbx.Domain
	clock24 map[string]bool
}

// domainsAtOnce is how many domains are read at a time.
const domainsAtOnce = 1000

// of are the domains of which a window of the schedule has a file each; one without a name stands for all.
func (n *domainNames) of(ctx context.Context, r store.Record) ([]fusionpbx.Domain, error) {
	if !r.EachDomain {
		return []fusionpbx.Domain{{UUID: r.DomainUUID, Name: r.DomainName}}, nil
	}
	for after, done := "", n.each != nil; !done; {
		page, err := n.db.DomainsWithGateways(ctx, tenant.All, after, domainsAtOnce)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			if d.Enabled {
				n.each = append(n.each, d.Domain)
			}
			after = d.Name
		}
		done = len(page) < domainsAtOnce
	}
	return n.each, nil
}

// readClocks reads how times of day are shown to the domains, of those of which it is not known.
func (n *domainNames) readClocks(ctx context.Context, domains []fusionpbx.Domain) error {
	var unknown []string
	for _, d := range domains {
		if _, known := n.clock24[d.UUID]; !known {
			unknown = append(unknown, d.UUID)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	clocks, err := n.db.Clocks24(ctx, unknown)
	maps.Copy(n.clock24, clocks)
	return err
}
