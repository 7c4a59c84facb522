package scheduler_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/calendar"
	"trunkline/internal/cdr"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/schedule/late"
	"trunkline/internal/schedule/store"
	"trunkline/internal/tenant"
	"trunkline/worker"
)

// latePlan is a plan whose exports a worker makes, in a folder.
type latePlan struct {
	*plan
	dir  string
	stop func()
}

// today is where the latest window ends that is over: five days ago, so that days are left to pass.
var today = calendar.Day.Begin(time.Now().UTC().AddDate(0, 0, -5))

func newLatePlan(t *testing.T) *latePlan {
	t.Helper()
	p := &latePlan{plan: newPlanOf(t, today.Add(12*time.Hour), sample.Options{Extensions: 1}), dir: t.TempDir()}
	p.start(t)
	return p
}

func (p *latePlan) start(t *testing.T) {
	t.Helper()
	p.stop = pbxtest.Start(t, worker.New(worker.Options{
		Settings: testbed.JobSettings, PBX: p.PBX, Redis: p.Redis, Tasks: p.Tasks, Log: p.Log, Now: p.now,
		Exporter: cdr.Exporter{PBX: p.PBX, Store: cdr.Folder{Dir: p.dir}, Retention: time.Hour, SliceRows: 100},
	}).Run)
}

// call adds a CDR of that moment, and returns its UUID.
func (p *latePlan) call(t *testing.T, at time.Time) string {
	t.Helper()
	id := uuid.NewString()
	_, err := p.Pool.Exec(t.Context(), `insert into v_xml_cdr (xml_cdr_uuid, domain_uuid, domain_name, start_stamp, billsec, direction) values ($1, $2, $3, $4, 60, 'inbound')`,
		id, p.Sample.Domains[0].UUID, p.Sample.Domains[0].Name, at)
	must(t, err)
	return id
}

// settle waits until all windows are over.
func (p *latePlan) settle(t *testing.T, schedule string) []store.Window {
	t.Helper()
	var all []store.Window
	pbxtest.Eventually(t, "all windows are over", func() bool {
		p.look(t)
		p.Tasks.Admit(t.Context()) // as the sweep does, if the job that held a slot was ended by the test
		all = nil
		for _, series := range []store.Series{store.SeriesRun, store.SeriesBackfill} {
			all = append(all, p.history(t, schedule, series)...)
		}
		return !slices.ContainsFunc(all, func(w store.Window) bool { return w.State == store.StateWaiting || w.State == store.StateRunning })
	})
	return all
}

// read reads a file's UUIDs, with whether each is late.
func (p *latePlan) read(t *testing.T, f store.File) map[string]bool {
	t.Helper()
	file, err := os.Open(filepath.Join(p.dir, f.JobID+".csv"))
	must(t, err)
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	must(t, err)
	id, late := slices.Index(rows[0], "xml_cdr_uuid"), slices.Index(rows[0], "late")
	found := map[string]bool{}
	for i, row := range rows[1:] {
		if _, twice := found[row[id]]; twice {
			t.Errorf("%s is twice in one file", row[id])
		}
		if i > 0 && row[slices.Index(rows[0], "start_stamp")] < rows[i][slices.Index(rows[0], "start_stamp")] {
			t.Errorf("row %d of %s is not in its order", i+1, f.Name)
		}
		found[row[id]] = row[late] == "true"
	}
	return found
}

func (p *latePlan) schedule(t *testing.T) store.Record {
	t.Helper()
	d := daily("UTC")
	d.Request.Columns = []string{"xml_cdr_uuid", "start_stamp"}
	return p.create(t, d)
}

// nextDay has the next window exported.
func (p *latePlan) nextDay(t *testing.T, id string) store.Window {
	t.Helper()
	p.pass(24 * time.Hour)
	p.settle(t, id)
	all := p.history(t, id, store.SeriesRun)
	return all[len(all)-1]
}

// A CDR that comes after its window was exported is in the next file, marked and counted; one that was merely changed is not.
func TestRowsThatComeLate(t *testing.T) {
	t.Parallel()
	p := newLatePlan(t)
	s := p.schedule(t)
	early := p.call(t, today.Add(time.Hour))
	first := p.nextDay(t, s.ID)
	if got := p.read(t, first.Files[0]); len(got) != 1 || got[early] {
		t.Errorf("the first file has %v", got)
	}
	late, usual := p.call(t, today.Add(2*time.Hour)), p.call(t, today.Add(25*time.Hour))
	_, err := p.Pool.Exec(t.Context(), "update v_xml_cdr set billsec = 61 where xml_cdr_uuid = $1", early)
	must(t, err)
	second := p.nextDay(t, s.ID)
	got := p.read(t, second.Files[0])
	if isLate, there := got[late]; len(got) != 2 || !isLate || !there || got[usual] {
		t.Errorf("the second file has %v, want %s, late, and %s", got, late, usual)
	}
	manifest, err := os.ReadFile(filepath.Join(p.dir, second.Files[0].JobID+".csv.manifest.json"))
	must(t, err)
	if !strings.Contains(string(manifest), `"late_rows": 1`) {
		t.Errorf("the manifest says %s", manifest)
	}
	if n := second.Files[0].LateRows; n == nil || *n != 1 {
		t.Errorf("of the second file's rows %v came late", n)
	}
	if got := p.read(t, p.nextDay(t, s.ID).Files[0]); len(got) != 0 {
		t.Errorf("the third file has %v", got)
	}
	// Run again, the first window holds what it held, and not what the second one has taken.
	_, err = p.store.RunAgain(t.Context(), s.ID, tenant.All, store.SeriesRun, 1)
	must(t, err)
	_, err = p.store.RunAgain(t.Context(), s.ID, tenant.All, store.SeriesRun, 2)
	must(t, err)
	p.settle(t, s.ID)
	for _, w := range p.history(t, s.ID, store.SeriesRun) {
		got := p.read(t, w.Files[0])
		want := map[int64][]string{1: {early}, 2: {late, usual}, 3: {}}[*w.Number]
		if len(got) != len(want) || slices.ContainsFunc(want, func(id string) bool { _, there := got[id]; return !there }) {
			t.Errorf("window %s has %v, want %v", w.Label(), got, want)
		}
	}
}

// CDRs are looked for for as long as the setting says, by the scheduler's clock, and what is kept for that goes by it too.
func TestForHowLongRowsAreLate(t *testing.T) {
	t.Parallel()
	p := newLatePlan(t)
	s := p.schedule(t)
	p.nextDay(t, s.ID)
	p.call(t, today.Add(time.Hour))
	p.pass(9 * 24 * time.Hour)
	all := p.settle(t, s.ID)
	for _, w := range all {
		if got := p.read(t, w.Files[0]); len(got) != 0 {
			t.Errorf("window %s has %v, which came 9 days after its window was exported", w.Label(), got)
		}
	}
	for _, want := range []int64{1, int64(len(all)) - 1} {
		if pruned, err := p.late().Prune(t.Context()); err != nil || pruned != want {
			t.Errorf("%d exports were forgotten, want %d: %v", pruned, want, err)
		}
		p.pass(8 * 24 * time.Hour)
	}
	if id, at := uuid.MustParse(all[0].ID), all[0].MadeAt.UnixMilli(); id.Version() != 7 || !strings.HasPrefix(strings.ReplaceAll(all[0].ID, "-", ""), fmt.Sprintf("%012x", at)) {
		t.Errorf("what was made at %s has the id %s", all[0].MadeAt, id)
	}
}

// late is what looks for CDRs by the plan's clock.
func (p *latePlan) late() *late.Store {
	return &late.Store{Pool: p.Pool, DB: p.FusionPBX, For: testbed.JobSettings.ScheduleLate, Now: p.now}
}

// Whatever comes late, is changed, fails, is skipped, run again or backfilled: what is there at the end was exported by one window
// with its revisions, and by no other.
func TestNothingIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 7))
			p := newLatePlan(t)
			s := p.schedule(t)
			_, err := p.store.Backfill(t.Context(), s.ID, tenant.All, backfillOf(-2, -1))
			must(t, err)
			var calls []string
			for day := range 4 {
				for range random.IntN(300) {
					at := today.Add(time.Duration(random.IntN(24*60))*time.Minute).AddDate(0, 0, random.IntN(day+3)-2)
					calls = append(calls, p.call(t, at))
				}
				for range random.IntN(50) {
					if len(calls) == 0 {
						break
					}
					_, err := p.Pool.Exec(t.Context(), "update v_xml_cdr set billsec = billsec + 1 where xml_cdr_uuid = $1", calls[random.IntN(len(calls))])
					must(t, err)
				}
				switch random.IntN(4) {
				case 0: // this day's export fails, for want of a folder
					p.pass(24 * time.Hour)
					p.fail(t)
				case 1:
					_, err := p.store.Skip(t.Context(), s.ID, tenant.All, store.SeriesRun, 0, "not wanted")
					must(t, err)
					p.pass(24 * time.Hour)
				default:
					p.pass(time.Duration(random.IntN(3)) * 24 * time.Hour) // several windows are exported at once
					p.nextDay(t, s.ID)
				}
				p.meddle(t, random, s.ID)
			}
			last := map[string]store.Window{}
			for _, w := range p.settle(t, s.ID) {
				if of := fmt.Sprint(w.Series, *w.Number); w.Revision >= last[of].Revision {
					last[of] = w
				}
			}
			for of, w := range last { // what was left out is exported, but for what others have
				if w.State != store.StateFailed && w.State != store.StateSkipped {
					continue
				}
				if _, err := p.store.RunAgain(t.Context(), s.ID, tenant.All, w.Series, *w.Number); err != nil && !fault.Is(err, fault.Conflict) {
					t.Errorf("%s: %v", of, err)
				}
			}
			p.settle(t, s.ID)
			for day := -2; day < int(p.now().Sub(today).Hours()/24); day++ {
				if _, err := p.store.Backfill(t.Context(), s.ID, tenant.All, backfillOf(day, day)); err != nil && !fault.Is(err, fault.Conflict) && !strings.Contains(err.Error(), "by itself") {
					t.Fatal(err)
				}
			}
			p.settle(t, s.ID)
			p.nextDay(t, s.ID)
			p.nextDay(t, s.ID)
			in := map[string][]string{}
			for _, w := range p.settle(t, s.ID) {
				if w.State != store.StateSucceeded {
					continue
				}
				for id := range p.read(t, w.Files[0]) {
					if of := fmt.Sprint(w.Series, *w.Number); !slices.Contains(in[id], of) {
						in[id] = append(in[id], of)
					}
				}
			}
			for _, id := range calls {
				if len(in[id]) != 1 {
					t.Errorf("%s was exported by %v", id, in[id])
				}
			}
		})
	}
}

// backfillOf is of whole days, counted from today.
func backfillOf(first, last int) store.BackfillAsked {
	return store.BackfillAsked{From: today.AddDate(0, 0, first).Format(time.DateOnly), To: today.AddDate(0, 0, last).Format(time.DateOnly)}
}

// meddle does at random to windows what somebody may: what is refused changes nothing.
func (p *latePlan) meddle(t *testing.T, random *rand.Rand, id string) {
	t.Helper()
	refused := func(err error) {
		t.Helper()
		if err != nil && !fault.Is(err, fault.Conflict) && !strings.Contains(err.Error(), "by itself") {
			t.Fatal(err)
		}
	}
	for range random.IntN(4) {
		all := slices.Concat(p.history(t, id, store.SeriesRun), p.history(t, id, store.SeriesBackfill))
		w := all[random.IntN(len(all))]
		switch random.IntN(4) {
		case 0:
			_, err := p.store.RunAgain(t.Context(), id, tenant.All, w.Series, *w.Number)
			refused(err)
			p.settle(t, id)
		case 1: // fails, which leaves what it has exported before
			_, err := p.store.RunAgain(t.Context(), id, tenant.All, w.Series, *w.Number)
			refused(err)
			if err == nil {
				p.fail(t)
			}
		case 2:
			_, err := p.store.Skip(t.Context(), id, tenant.All, w.Series, *w.Number, "not wanted")
			refused(err)
		case 3:
			first := random.IntN(6) - 2
			_, err := p.store.Backfill(t.Context(), id, tenant.All, backfillOf(first, first+random.IntN(2)))
			refused(err)
			p.settle(t, id)
		}
	}
}

// begin does what the first thing is that an attempt at a window's file does.
func (p *latePlan) begin(t *testing.T, w store.Window) (with cdr.Request) {
	t.Helper()
	var params []byte
	must(t, p.Pool.QueryRow(t.Context(), "select params from trunkline.jobs where id = $1", w.Files[0].JobID).Scan(&params))
	var export outbox.ExportParams
	must(t, json.Unmarshal(params, &export))
	with, counts, err := p.late().Begin(t.Context(), w.Files[0].JobID, w.ID, export.Request)
	must(t, err)
	if !counts {
		t.Errorf("the export of window %s counts for nothing", w.Label())
	}
	return with
}

// What has come late for a window is fixed by its first attempt; what comes between its attempts goes to the next.
func TestTheSetIsFixedByTheFirstAttempt(t *testing.T) {
	t.Parallel()
	p := newLatePlan(t)
	s := p.schedule(t)
	p.nextDay(t, s.ID)
	first := p.call(t, today.Add(time.Hour))
	p.stop()
	p.pass(24 * time.Hour)
	p.look(t)
	windows := p.history(t, s.ID, store.SeriesRun)
	second := windows[len(windows)-1]
	before := p.begin(t, second)
	between := p.call(t, today.Add(2*time.Hour))
	after := p.begin(t, second)
	if len(before.Late) != 1 || uuid.UUID(before.Late[0].UUID).String() != first || !reflect.DeepEqual(before, after) {
		t.Errorf("the first attempt takes %v, the second %v; want %s of both", before.Late, after.Late, first)
	}
	p.start(t)
	p.settle(t, s.ID)
	if got := p.read(t, p.nextDay(t, s.ID).Files[0]); len(got) != 1 || !got[between] {
		t.Errorf("the third file has %v, want %s, late", got, between)
	}
}

// A window that is run again while the next one begins reads its span anew: what has come there since is in one file, whichever
// begins first, and also if the one that might have had it fails.
func TestAWindowIsRunAgainWhileTheNextOneBegins(t *testing.T) {
	t.Parallel()
	for _, againFirst := range []bool{true, false} {
		for _, fails := range []bool{true, false} {
			t.Run(fmt.Sprintf("again first %t, fails %t", againFirst, fails), func(t *testing.T) {
				t.Parallel()
				p := newLatePlan(t)
				s := p.schedule(t)
				p.nextDay(t, s.ID)
				p.stop()
				came := p.call(t, today.Add(time.Hour))
				made, err := p.store.RunAgain(t.Context(), s.ID, tenant.All, store.SeriesRun, 1)
				must(t, err)
				p.pass(24 * time.Hour)
				p.look(t)
				var again, next store.Window
				for _, w := range p.history(t, s.ID, store.SeriesRun) {
					if w.ID == made.ID {
						again = w
					} else if *w.Number == 2 {
						next = w
					}
				}
				var ofAgain, ofNext cdr.Request
				if againFirst {
					ofAgain, ofNext = p.begin(t, again), p.begin(t, next)
				} else {
					ofNext, ofAgain = p.begin(t, next), p.begin(t, again)
				}
				if len(ofNext.Late) != 0 && !slices.Contains(ofAgain.Except, came) {
					t.Errorf("%s is taken by both files", came)
				}
				if fails {
					_, err := p.Pool.Exec(t.Context(), `update trunkline.jobs set state = 'failed', error_code = 'server_error', error_message = 'server_error', finished_at = now() where id = $1`, again.Files[0].JobID)
					must(t, err)
				}
				p.start(t)
				p.settle(t, s.ID)
				p.nextDay(t, s.ID)
				in := map[string]bool{}
				for _, w := range p.history(t, s.ID, store.SeriesRun) {
					if w.State != store.StateSucceeded {
						continue
					}
					if _, there := p.read(t, w.Files[0])[came]; there {
						in[w.Label()] = true
					}
				}
				if len(in) != 1 {
					t.Errorf("%s is in the files of %v", came, in)
				}
			})
		}
	}
}
