package tasks_test

import (
	"log/slog"
	"testing"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/tasks"
)

// A domain whose files fill its share makes no more, until the oldest is deleted; others do.
func TestADomainsFilesAreBounded(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	settings := testbed.JobSettings
	settings.ExportDomainBytes, settings.ExportRetention = 1000, time.Hour
	client := tasks.NewClient(b.pool, b.keys, b.redis, settings, slog.New(slog.DiscardHandler))
	for i, bytes := range []int{600, 399, 1} {
		n := request(b.keys, "export")
		n.Kind, n.OrderKeys = tasks.KindExport, nil
		must(t, client.CheckKept(t.Context(), tasks.KindExport, domainA))
		job := b.submit(t, n)
		must(t, b.claim(t, job).Succeed(t.Context(), i, tasks.Progress{}))
		b.Finished(t.Context(), job.ID)
		b.exec(t, "update trunkline.jobs set result_bytes = $1 where id = $2", bytes, job.ID)
	}
	if err := client.CheckKept(t.Context(), tasks.KindExport, domainA); !fault.Is(err, fault.InsufficientStorage) {
		t.Errorf("got %v", err)
	}
	for _, other := range []string{domainB, ""} {
		must(t, client.CheckKept(t.Context(), tasks.KindExport, other))
	}
	b.exec(t, "update trunkline.jobs set finished_at = now() - interval '2 hours' where result_bytes = 1")
	must(t, client.CheckKept(t.Context(), tasks.KindExport, domainA))
}
