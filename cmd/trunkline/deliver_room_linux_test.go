package main

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"trunkline/internal/config"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// A file for which there is no room in the middle of it is not there, and is brought when there is room: here, once the worker
// may write larger files.
func TestDeliveryWithoutRoom(t *testing.T) {
	t.Parallel()
	database, loaded := loadSample(t, 0, postgrestest.Tables)
	p := samplePBXOn(t, database, loaded)
	p.open(t)
	dir := t.TempDir()
	worker := p.start(t, "worker", "TRUNKLINE_DELIVERY_DIR="+dir, "TRUNKLINE_DELIVER_RETRY_FIRST=100ms", "TRUNKLINE_DELIVER_RETRY_MOST=1s", "TRUNKLINE_SWEEP_INTERVAL=200ms")
	limit := func(bytes uint64) {
		var now unix.Rlimit
		must(t, unix.Prlimit(worker.Process.Pid, unix.RLIMIT_FSIZE, nil, &now))
		now.Cur = min(bytes, now.Max)
		must(t, unix.Prlimit(worker.Process.Pid, unix.RLIMIT_FSIZE, &now, nil))
	}
	limit(1 << 20)
	destination, err := destinations.New(p.pool, p.client.Keys(), config.Settings{}).Create(t.Context(), destinations.Given{Name: "billing", Kind: "folder", Enabled: true})
	must(t, err)
	content := strings.Repeat("a call\n", 1<<20)
	job := p.deliver(t, p.exportOf(t, content), destination.ID, "calls.csv")
	box := outbox.NewBox(p.pool, p.client)
	var made outbox.Delivery
	pbxtest.Eventually(t, "it was tried twice", func() bool {
		all, _, err := box.List(t.Context(), outbox.Filter{Domains: tenant.All, Limit: 10})
		must(t, err)
		made = all[0]
		tries, err := box.Tries(t.Context(), made.ID)
		must(t, err)
		for _, try := range tries {
			if try.Error != nil && try.Error.Code != fault.InsufficientStorage {
				t.Fatalf("try %d: %v", try.Number, try.Error)
			}
		}
		return len(tries) > 1
	})
	if made.State != outbox.StatePending {
		t.Fatalf("got %+v", made)
	}
	if all, err := filepath.Glob(filepath.Join(dir, "[a-z]*")); err != nil || len(all) > 0 {
		t.Errorf("half of it is there: %v, %v", all, err)
	}
	limit(unix.RLIM_INFINITY)
	ended, err := p.client.Wait(t.Context(), job.ID, patience)
	must(t, err)
	if ended.State != tasks.StateSucceeded {
		t.Fatalf("the delivery is %s: %v\n%s", ended.State, ended.Error, worker.Log)
	}
	wantAlone(t, dir, "calls.csv", content)
}
