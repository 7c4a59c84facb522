package worker_test

import (
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

const (
	// slowlyQuick is what a slow server takes at once, in bytes: enough to log in.
	slowlyQuick = 32 << 10
	slowlyTick  = 50 * time.Millisecond
	// slowlyHonest is what one that is slow and honest takes at each tick.
	slowlyHonest = 6 << 10
)

// slowly is a server that takes only so many bytes at each tick of what it is sent, once somebody has logged in.
type slowly struct {
	net.Listener
	bytes atomic.Int64 // at each tick
	ticks atomic.Int64 // that there have been
}

// slowServer stands before the server at addr.
func slowServer(t *testing.T, addr string) *slowly {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	s := &slowly{Listener: listener}
	s.bytes.Store(1)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go s.pass(client, addr)
		}
	}()
	return s
}

func (s *slowly) pass(client net.Conn, addr string) {
	defer client.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(client, server) }()
	if _, err := io.CopyN(server, client, slowlyQuick); err != nil {
		return
	}
	for range time.Tick(slowlyTick) {
		s.ticks.Add(1)
		if _, err := io.CopyN(server, client, s.bytes.Load()); err != nil {
			return
		}
	}
}

// slowDestination is one of SFTP that is reached through a slow server.
func (b *bundle) slowDestination(t *testing.T, domain string, sshd *servers.SSHD) (*slowly, destinations.Destination) {
	t.Helper()
	slow := slowServer(t, sshd.Addr())
	host, port, err := net.SplitHostPort(slow.Addr().String())
	must(t, err)
	d, err := b.destinations().Create(t.Context(), destinations.Given{DomainUUID: domain, Name: "slow", Kind: "sftp", Enabled: true, CreatedBy: "superadmin", Values: destinations.Values{
		"host": host, "port": port, "login": sshd.Login, "private_key": sshd.Key, "host_key": sshd.HostKey,
	}})
	must(t, err)
	return slow, d
}

// Servers of some domains that take a byte now and then hold every slot, for as long as nobody else waits; whoever comes gets
// one at once, for which one of them is put off. In the end these files are there too, however slow their servers are.
func TestNobodyWaitsForSlowServersOfOthers(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 4000, stopped: true})
	sshd := pbxtest.StartSSHD(t, "")
	settings := &b.options.Settings
	settings.DeliveryDir, settings.DeliveryNetworks = t.TempDir(), []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	settings.DeliverLeastRate, settings.DeliverSlowAfter = 1<<20, time.Second
	settings.DeliverRetryFirst, settings.DeliverRetryMost = 10*time.Minute, 10*time.Minute
	b.sweeping(t)
	b.start(t)
	box := outbox.NewBox(b.pool, b.Client)
	type delivered struct {
		outbox.Delivery
		by *slowly
	}
	job := func(d delivered) tasks.Job {
		job, err := b.Get(t.Context(), d.JobID, tenant.All)
		must(t, err)
		return job
	}
	var all []delivered
	for _, domain := range b.sample.Domains[:2] { // each with its share of four slots
		slow, to := b.slowDestination(t, domain.UUID, sshd)
		export := b.exportTo(t, domain.UUID, delivery.Order{DestinationID: to.ID, Name: domain.Name + "/1.csv"}, delivery.Order{DestinationID: to.ID, Name: domain.Name + "/2.csv"})
		made, err := box.OfExport(t.Context(), export.ID)
		must(t, err)
		for _, d := range made {
			all = append(all, delivered{d, slow})
		}
	}
	spans := 6 * int64(settings.DeliverSlowAfter/slowlyTick) // of two connections together
	for _, d := range all {
		pbxtest.Eventually(t, "it has been slow for some time", func() bool { return d.by.ticks.Load() > spans })
		if job := job(d); job.State != tasks.StateRunning || job.Progress.Note != "try 1" {
			t.Fatalf("nobody waits for the slot, and the slow delivery is %s: %+v", job.State, job.Progress)
		}
	}
	stranger := b.sample.Domains[2].UUID
	own := b.destination(t, stranger, "own")
	if ended := b.deliveries(t, b.exportTo(t, stranger, delivery.Order{DestinationID: own.ID, Name: "calls.csv"})); ended[0].State != tasks.StateSucceeded {
		t.Errorf("the stranger's delivery %s", ended[0].State)
	}
	var put []delivered
	for _, d := range all {
		switch job := job(d); {
		case job.State != tasks.StateRunning:
			t.Errorf("a slow delivery %s: %v", job.State, job.Error)
		case strings.Contains(job.Progress.Note, "TRUNKLINE_DELIVER_LEAST_RATE"):
			put = append(put, d)
		}
	}
	if len(put) != 1 {
		t.Errorf("%d deliveries were put off for one that waited", len(put))
	}
	// Slow they stay, and nobody waits.
	for _, d := range all {
		d.by.bytes.Store(slowlyHonest)
	}
	for _, d := range put {
		_, err := box.SendAgain(t.Context(), d.ID, tenant.All, b.sample.SuperadminUUID, "superadmin")
		must(t, err)
	}
	for _, d := range all {
		if ended := b.ended(t, job(d)); ended.State != tasks.StateSucceeded {
			t.Errorf("%s: %s %v", d.Name, ended.State, ended.Error)
		}
		info, err := os.Stat(filepath.Join(sshd.Files(), d.Name))
		must(t, err)
		if info.Size() < slowlyQuick+2*slowlyHonest*int64(settings.DeliverSlowAfter/slowlyTick) {
			t.Errorf("%s has %d bytes: its server was not slow for long enough to show anything", d.Name, info.Size())
		}
	}
}
